import type { RandomKey } from '../../proto/random.js';

/** What quantising one tensor of one shard met. Either flag means that the sums will not be used. */
export interface QuantizeOutcome {
  /** All elements are finite, and some do not fit +-limit after scaling. */
  readonly saturated: boolean;
  /** Some element is NaN or infinite; `saturated` is false then. */
  readonly notFinite: boolean;
}

/**
 * Exponents that the kernels take: 2^exponent and 2^-exponent are then normal float32 values, and scaling by them is
 * one multiplication. Nothing is lost by it: at -110 no finite float32 saturates any more, for up to 4,096 shards.
 */
export const MIN_EXPONENT = -126;
export const MAX_EXPONENT = 126;

/** Raised when a change of the kernels changes a bit of what they compute; part of the engine fingerprint. */
export const KERNELS_VERSION = 1;

/**
 * The arithmetic that every replica must do bit for bit alike. Two implementations: WebAssembly SIMD (runs), plain
 * TypeScript (the readable twin that tests compare with). All vectors are views of `memory`, given out by `allocate`.
 * Addresses are in bytes, 4-byte aligned (`xxh64` takes any); every n from 0 up. A wrong address, exponent or limit is
 * a broken invariant. Float32 arithmetic is rounded after each operation, in the order written here.
 */
export interface Kernels {
  /** Of fixed size: it never grows, so views of it stay valid for good. */
  readonly memory: WebAssembly.Memory;
  /** Bytes of 64-byte aligned, zeroed memory that is never freed; returns the address. */
  allocate(bytes: number): number;

  /**
   * ints[i] += round(floats[i] x 2^exponent), nearest even, for n elements. Beyond int32 its nearest end is added, for
   * NaN 0, and sums wrap: the same in every implementation, and never used, since the outcome tells of it. While
   * every shard fits +-limit, no sum wraps.
   * @param limit 2^L - 1, L from 1 to 31
   * @param overwrite start new sums instead: what `ints` held before counts for nothing
   */
  quantize(
    floats: number,
    ints: number,
    n: number,
    exponent: number,
    limit: number,
    overwrite?: boolean,
  ): QuantizeOutcome;

  /** destination[i] += source[i], int32, wrapping. */
  addInt32(destination: number, source: number, n: number): void;

  /** Largest |ints[i]|, up to 2^31; 0 for n = 0. */
  maxAbsInt32(ints: number, n: number): number;

  /**
   * floats[i] = (float32(ints[i]) x float32(1 / shards)) x 2^-exponent: the mean over the shards, and the gradient that
   * `adam` uses. Exact but for float32(ints[i]) when shards is a power of two. Clamped to the finite float32 values.
   */
  dequantize(ints: number, floats: number, n: number, exponent: number, shards: number): void;

  /**
   * One Adam update of n elements from the summed integers of one tensor.
   * g = dequantized; m = beta1 m + (1 - beta1) g; v = beta2 v + ((1 - beta2) g) g;
   * p -= (stepSize x m) / (sqrt(v) x inverseSqrtCorrection2 + epsilon)
   * m and v below the smallest normal float32 become 0: those of weights that get no gradient any more decay to
   * denormals, which processors compute with many times more slowly, and change no parameter.
   * @returns the largest |ints[i]|, as maxAbsInt32 gives it
   */
  adam(tensor: AdamTensor): number;

  /** averages[i] += (values[i] - averages[i]) x weight, for n elements; weight is a float32 from 0 to 1. */
  average(averages: number, values: number, n: number, weight: number): void;

  /** Overwrites n floats with the standard normals of `key`: proto's fillNormal. */
  fillNormal(floats: number, n: number, key: RandomKey): void;

  /** XXH64 with seed 0 of `bytes` bytes, as 16 hex digits. */
  xxh64(address: number, bytes: number): string;
}

export interface AdamTensor {
  /** Addresses; parameters, m and v are changed. */
  readonly parameters: number;
  readonly m: number;
  readonly v: number;
  readonly ints: number;
  readonly n: number;
  readonly exponent: number;
  readonly shards: number;
  readonly step: AdamStep;
}

/** Adam's constants for its t-th update (t from 1), all exact float32 values. */
export interface AdamStep {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** lr / (1 - beta1^t) */
  readonly stepSize: number;
  /** 1 / sqrt(1 - beta2^t) */
  readonly inverseSqrtCorrection2: number;
}
