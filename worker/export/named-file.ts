/** A file of a result, before it lies anywhere. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}
