import { invariant, limits, OperationalError, type UpdateLayout } from '../../proto/index.js';
import { clampExponent, SEARCH_STEP, type TensorRange } from './tensor-range.js';

/** What to do with a reduced vector. It follows from its integers alone, so all replicas come to the same. */
export type Verdict =
  | { readonly kind: 'accept' }
  /** Sum the same shards again with these ranges; nothing has changed yet. */
  | { readonly kind: 'redo'; readonly ranges: readonly TensorRange[] }
  /** A gradient was not finite: the update changes nothing, ranges included. Names its tensors. */
  | { readonly kind: 'skip'; readonly tensors: readonly string[] };

/**
 * @param vector the reduced integers
 * @param ranges the ranges that this attempt was summed with
 * @param attempt 0 for the first, one more for every redo
 * @throws OperationalError `range` when the last redo allowed still saturates
 */
export function judge(
  layout: UpdateLayout,
  vector: Int32Array,
  ranges: readonly TensorRange[],
  attempt: number,
): Verdict {
  const { tensors } = layout;
  invariant(vector.length === layout.length, `a vector of ${layout.length} integers: ${vector.length}`);
  invariant(ranges.length === tensors.length, 'a range for every tensor');
  const notFinite = tensors.filter((_, i) => vector[layout.notFiniteOffset + i] !== 0);
  // Before saturation: a range cannot be found for what has none, and NaN would still be there after every redo.
  if (notFinite.length > 0) return { kind: 'skip', tensors: notFinite.map(({ name }) => name) };
  const saturated = tensors.map((_, i) => vector[layout.saturatedOffset + i] !== 0);
  const first = saturated.indexOf(true);
  if (first === -1) return { kind: 'accept' };
  if (attempt >= limits.maxRedos)
    throw new OperationalError(
      'range',
      `expected the sum of ${tensors[first]?.name} to fit its integers within ${limits.maxRedos} redos, ` +
        `found it still saturated at exponent ${ranges[first]?.exponent}: only damaged sums do that, go on from the last checkpoint with --resume`,
    );
  return {
    kind: 'redo',
    ranges: ranges.map((range, i) =>
      saturated[i] === true ? { ...range, exponent: clampExponent(range.exponent - SEARCH_STEP) } : range,
    ),
  };
}
