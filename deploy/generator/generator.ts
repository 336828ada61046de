export type GeneratorFormat = 'onnx' | 'layers-model' | 'safetensors';

/** A finished generator that has been read from its file and tried once. */
export interface Generator {
  /** Of the file: of a LayersModel its model.json. */
  readonly path: string;
  readonly format: GeneratorFormat;
  /** Of the file, in hex; of a LayersModel that of model.json with the weights' bytes after it. */
  readonly sha256: string;
  readonly noiseSize: number;
  /** Pixels of an image, which is square. */
  readonly imageSize: number;
  /** What the file says of itself, such as `step` and `state_sha256`. Words of a file: nothing is checked but that they do not steer a terminal. */
  readonly provenance: Readonly<Record<string, string>>;
  /**
   * Images [n, imageSize] in [-1, 1] from noise [n, noiseSize], n of any size. Computed on the calling thread; others get
   * their turn every few milliseconds. Row i depends on its noise and on i alone, to the last bit, not on n.
   * Rejects with UsageError where the network makes what is no number.
   */
  generate(noise: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}
