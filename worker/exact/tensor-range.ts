import { invariant } from '../../proto/index.js';
import { MAX_EXPONENT, MIN_EXPONENT } from '../kernels/index.js';

/** How one tensor is turned into integers; part of the replica state, and equal on every replica. */
export interface TensorRange {
  /** A value x is summed as round(x x 2^exponent). */
  readonly exponent: number;
  /** k: the mean's largest magnitude was lately at most 2^k; null until one has been seen. */
  readonly magnitude: number | null;
}

/**
 * Where every tensor starts. With four shards it takes values up to a half, in steps of 1e-9: gradients fit at the first
 * try, and losses find their range by a redo.
 */
export const FIRST_EXPONENT = 30;

/** An exponent that has lost the range of its tensor, above it or below, is moved by this much at a time. */
export const SEARCH_STEP = 16;

/** Below every float32 and below the mean of one quantum over the most shards; above every float32. */
export const MIN_MAGNITUDE = -150;
export const MAX_MAGNITUDE = 128;

/** Stored in place of a magnitude that is not known. */
const NO_MAGNITUDE = -(2 ** 31);

export const clampExponent = (exponent: number): number =>
  Math.max(MIN_EXPONENT, Math.min(MAX_EXPONENT, exponent));

export function initialRanges(tensors: number): TensorRange[] {
  return Array.from({ length: tensors }, () => ({ exponent: FIRST_EXPONENT, magnitude: null }));
}

/** Writes two ints a tensor: exponent, magnitude. */
export function encodeRanges(ranges: readonly TensorRange[], out: Int32Array): void {
  invariant(out.length === 2 * ranges.length, `two ints for each of ${ranges.length} ranges: ${out.length}`);
  for (const [i, { exponent, magnitude }] of ranges.entries()) {
    out[2 * i] = exponent;
    out[2 * i + 1] = magnitude ?? NO_MAGNITUDE;
  }
}

export function decodeRanges(ints: Int32Array): TensorRange[] {
  invariant(ints.length % 2 === 0, `two ints a range: ${ints.length}`);
  return Array.from({ length: ints.length / 2 }, (_, i) => {
    const magnitude = ints[2 * i + 1] as number;
    return { exponent: ints[2 * i] as number, magnitude: magnitude === NO_MAGNITUDE ? null : magnitude };
  });
}
