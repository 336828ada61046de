import { invariant, type UpdateLayout } from '../../proto/index.js';
import { MAX_EXPONENT, powerOfTwo } from '../kernels/index.js';
import { sumBits } from './sum-bits.js';
import {
  clampExponent,
  MAX_MAGNITUDE,
  MIN_MAGNITUDE,
  SEARCH_STEP,
  type TensorRange,
} from './tensor-range.js';

/** Room kept above the tracked magnitude: a value may grow 2^6-fold from one update to the next and still fit. */
const HEADROOM_BITS = 6;

/** ceil(log2(numerator / denominator)) of two positive integers below 2^32, by integer comparison. */
export function ceilLog2Ratio(numerator: number, denominator: number): number {
  // With a and b bits the ratio lies strictly between 2^(a - b - 1) and 2^(a - b + 1).
  const bits = Math.clz32(denominator) - Math.clz32(numerator);
  return numerator <= denominator * powerOfTwo(bits) ? bits : bits + 1;
}

/**
 * The range of a tensor for its next update, from the range that this one's sums were accepted with. The tracked
 * magnitude rises at once and falls one bit an update, so that a tensor whose gradient jumps up and down does not
 * saturate at every jump. A tensor of zeros tells nothing but that its values are below half a quantum: look lower.
 * @param maxAbsSum largest absolute integer of the tensor, summed over the shards
 */
export function nextRange(range: TensorRange, maxAbsSum: number, shards: number): TensorRange {
  const fallen = range.magnitude === null ? null : Math.max(MIN_MAGNITUDE, range.magnitude - 1);
  if (maxAbsSum === 0)
    return { exponent: Math.min(MAX_EXPONENT, range.exponent + SEARCH_STEP), magnitude: fallen };
  const seen = ceilLog2Ratio(maxAbsSum, shards) - range.exponent;
  const magnitude = Math.min(MAX_MAGNITUDE, Math.max(seen, fallen ?? MIN_MAGNITUDE));
  return { exponent: clampExponent(sumBits(shards) - HEADROOM_BITS - magnitude), magnitude };
}

export interface AcceptedSums {
  readonly layout: UpdateLayout;
  /** The ranges that the sums were made with: lowered ones after a redo. */
  readonly ranges: readonly TensorRange[];
  /** Largest absolute integer of each tensor of the reduced vector. */
  readonly largest: readonly number[];
  readonly shards: number;
}

/** Every tensor's range for the network's next update; to be stored at commit of an accepted one, and only then. */
export function nextRanges({ layout, ranges, largest, shards }: AcceptedSums): TensorRange[] {
  const { length } = layout.tensors;
  invariant(
    ranges.length === length && largest.length === length,
    'a range and a magnitude for every tensor',
  );
  return ranges.map((range, i) => nextRange(range, largest[i] as number, shards));
}
