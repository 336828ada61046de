import { invariant, type UpdateLayout } from '../../proto/index.js';
import type { Kernels } from '../kernels/index.js';
import { shardLimit } from './sum-bits.js';
import type { TensorRange } from './tensor-range.js';

export interface ShardContribution {
  readonly layout: UpdateLayout;
  readonly ranges: readonly TensorRange[];
  /** Address of the shard's layout.floatLength float32 values. */
  readonly floats: number;
  /** Address of the layout.length int32 sums. */
  readonly ints: number;
  /** The first shard of new sums: what `ints` held before counts for nothing. */
  readonly first: boolean;
  /** S of the run, not the number of shards summed here. */
  readonly shards: number;
}

/** Adds one shard's contribution to the integer sums, and to its tensors' counters what did not fit or was not finite. */
export function sumShard(
  kernels: Pick<Kernels, 'memory' | 'quantize'>,
  { layout, ranges, floats, ints, first, shards }: ShardContribution,
): void {
  const { tensors } = layout;
  invariant(ranges.length === tensors.length, 'a range for every tensor');
  const limit = shardLimit(shards);
  const sums = new Int32Array(kernels.memory.buffer, ints, layout.length);
  if (first) sums.fill(0, layout.floatLength); // the counters
  const count = (index: number): void => {
    sums[index] = (sums[index] as number) + 1;
  };
  for (const [i, { offset, size }] of tensors.entries()) {
    const { exponent } = ranges[i] as TensorRange;
    const { saturated, notFinite } = kernels.quantize(
      floats + 4 * offset,
      ints + 4 * offset,
      size,
      exponent,
      limit,
      first,
    );
    if (saturated) count(layout.saturatedOffset + i);
    if (notFinite) count(layout.notFiniteOffset + i);
  }
}
