/** What quantising one tensor of one shard met. */
export interface QuantizeOutcome {
  /** Some element did not fit +-limit after scaling. */
  readonly saturated: boolean;
  /** Some element was NaN or infinite. */
  readonly notFinite: boolean;
}

/**
 * The arithmetic that every replica must do bit for bit alike. Two implementations: WebAssembly SIMD (runs), plain
 * TypeScript (the readable twin that tests compare with). All vectors are views of `memory`, given out by `allocate`.
 */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  /** Bytes of 64-byte aligned memory that is never freed; returns the address. Views made before may be detached. */
  allocate(bytes: number): number;

  /**
   * ints[i] += round(floats[i] x 2^exponent), nearest even, for n elements; elements that do not fit +-limit are
   * clamped to it, non-finite ones add 0. Addresses in bytes, 4-byte aligned.
   * @param limit 2^L - 1
   */
  quantize(floats: number, ints: number, n: number, exponent: number, limit: number): QuantizeOutcome;

  /** destination[i] += source[i], int32, wrapping. */
  addInt32(destination: number, source: number, n: number): void;

  /** Largest |ints[i]|. */
  maxAbsInt32(ints: number, n: number): number;

  /** floats[i] = float32(ints[i]) x 2^-exponent / shards, in the order and precision that `adam` uses for its gradient. */
  dequantize(ints: number, floats: number, n: number, exponent: number, shards: number): void;

  /**
   * One Adam update of n elements from the summed integers of one tensor.
   * g = dequantized; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
   * p -= stepSize x m / (sqrt(v) x inverseSqrtCorrection2 + epsilon)
   * with stepSize = lr / (1 - beta1^t), inverseSqrtCorrection2 = 1 / sqrt(1 - beta2^t).
   */
  adam(tensor: {
    readonly parameters: number;
    readonly m: number;
    readonly v: number;
    readonly ints: number;
    readonly n: number;
    readonly exponent: number;
    readonly shards: number;
    readonly step: AdamStep;
  }): void;

  /** XXH64 with seed 0 of `bytes` bytes, as 16 hex digits. */
  xxh64(address: number, bytes: number): string;
}

/** Adam's constants for its t-th update (t from 1), all exact float32 values. */
export interface AdamStep {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly stepSize: number;
  readonly inverseSqrtCorrection2: number;
}
