import { invariant, type UpdateLayout } from '../../proto/index.js';
import { powerOfTwo } from '../kernels/index.js';
import type { TensorRange } from './tensor-range.js';

/**
 * Means over the shards, as float64, of the tensors that make up `length` elements from `offset`: for what is few and
 * read by people (scalars) or folded in elsewhere (batch statistics). Each is exact but for the one division by S.
 * @param ranges the ranges that the sums were accepted with
 */
export function tensorMeans(
  layout: UpdateLayout,
  vector: Int32Array,
  ranges: readonly TensorRange[],
  shards: number,
  offset: number,
  length: number,
): Float64Array {
  const means = new Float64Array(length);
  let filled = 0;
  for (const [i, tensor] of layout.tensors.entries()) {
    if (tensor.offset < offset || tensor.offset + tensor.size > offset + length) continue;
    const range = ranges[i];
    invariant(range !== undefined, 'a range for every tensor');
    const quantum = powerOfTwo(-range.exponent);
    for (let j = 0; j < tensor.size; j++)
      means[tensor.offset - offset + j] = ((vector[tensor.offset + j] as number) * quantum) / shards;
    filled += tensor.size;
  }
  invariant(filled === length, `whole tensors from ${offset}: ${filled} of ${length} elements`);
  return means;
}
