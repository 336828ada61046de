import { DAMAGED, refusal, shown } from './refusal.js';

/** A tensor as a file tells of it: float32, little-endian, row-major. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** As many as the shape takes: see `tensorBytes`. */
  readonly bytes: Uint8Array;
}

/** Bytes of a float32 tensor; as a double, large but never wrong about being too large. */
export const tensorBytes = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT);

/** The tensors of one file by name, each of which its network takes once. Every method throws UsageError. */
export class TensorTable {
  private readonly left: Map<string, StoredTensor>;

  constructor(
    private readonly path: string,
    tensors: Iterable<readonly [string, StoredTensor]>,
  ) {
    this.left = new Map(tensors);
  }

  /** The values of the tensor `name`, which must have this shape; a copy. */
  take(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.left.get(name);
    if (tensor === undefined)
      throw refusal(this.path, `has no tensor ${shown(name)}, which its layers need: ${DAMAGED}`);
    this.left.delete(name);
    if (tensor.shape.join() !== shape.join())
      throw refusal(
        this.path,
        `has a tensor ${shown(name)} of ${shown(tensor.shape.join(' x '))} values, where a generator's layers need ${shape.join(' x ')}: is it of another network?`,
      );
    return finiteFloats(this.path, name, tensor.bytes);
  }

  /** To be called when all layers have theirs. */
  finish(): void {
    const [name] = this.left.keys();
    if (name !== undefined)
      throw refusal(
        this.path,
        `has a tensor ${shown(name)} that none of a generator's layers has: is it of another network?`,
      );
  }
}

/** The values of little-endian float32 `bytes`. Throws UsageError where one is not a finite number. */
export function finiteFloats(path: string, name: string, bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const floats = new Float32Array(bytes.byteLength / Float32Array.BYTES_PER_ELEMENT);
  for (let i = 0; i < floats.length; i++) {
    const value = view.getFloat32(4 * i, true);
    if (!Number.isFinite(value))
      throw refusal(
        path,
        `has ${value} among the values of ${shown(name)}, where finite numbers were expected: ${DAMAGED}`,
      );
    floats[i] = value;
  }
  return floats;
}
