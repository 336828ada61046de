/** The part of gifenc (a CommonJS module without types of its own) that is used here. */
declare module 'gifenc' {
  interface FrameOptions {
    /** Colours as [red, green, blue]; needed by the first frame, and then shared by those that have none. */
    readonly palette?: readonly (readonly [number, number, number])[];
    /** Milliseconds, rounded to hundredths of a second. */
    readonly delay?: number;
    /** How often the GIF is played, of the first frame: 0 for ever, -1 once. */
    readonly repeat?: number;
    /** Bits a pixel: the width of the first codes. */
    readonly colorDepth?: number;
  }

  interface GifStream {
    /** @param pixels an index into the palette each, [height x width] */
    writeFrame(pixels: Uint8Array, width: number, height: number, options?: FrameOptions): void;
    finish(): void;
    /** A copy of what was written until now. */
    bytes(): Uint8Array;
    /** The same without a copy, until the next write. */
    bytesView(): Uint8Array;
  }

  export interface Gifenc {
    GIFEncoder(options?: { readonly initialCapacity?: number }): GifStream;
  }
}
