import {
  judge,
  sumShard,
  tensorMeans,
  nextRanges,
  initialRanges,
  type TensorRange,
} from '../../../worker/exact/index.js';
import { plainKernels, type Kernels } from '../../../worker/kernels/index.js';
import { modelLayout, updateLayout, type ModelDescription, type UpdateLayout } from '../../../proto/index.js';

/** Few parameters, and every kind of tensor. */
export const SMALL_MODEL: ModelDescription = {
  generator: {
    inputSize: 3,
    layers: [
      { kind: 'dense', units: 4 },
      { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 },
      { kind: 'relu' },
      { kind: 'dense', units: 5 },
      { kind: 'tanh' },
    ],
  },
  discriminator: {
    inputSize: 5,
    layers: [
      { kind: 'dense', units: 3 },
      { kind: 'leakyRelu', slope: 0.2 },
      { kind: 'dense', units: 1 },
      { kind: 'sigmoid' },
    ],
  },
};

export const smallLayout = (): UpdateLayout => updateLayout(modelLayout(SMALL_MODEL), 'discriminator');

export interface Outcome {
  readonly kind: 'accept' | 'skip';
  readonly redos: number;
  /** The ranges that the sums were accepted with. */
  readonly ranges: readonly TensorRange[];
  /** The ranges to store for the next update; what went in after a skip. */
  readonly next: readonly TensorRange[];
  readonly sums: Int32Array;
  readonly means: Float64Array;
}

/**
 * Sums shards as a cluster does: each worker sums its own, the partial sums are added in ring order, and everyone judges.
 * @param owners for each worker, which of the shards it sums, in its order
 */
export function reduce(
  layout: UpdateLayout,
  stored: readonly TensorRange[],
  shards: readonly Float32Array[],
  owners: readonly (readonly number[])[] = [shards.map((_, i) => i)],
  kernels: Kernels = plainKernels({ memoryBytes: 64 * 1_024 }),
): Outcome {
  const { buffer } = kernels.memory;
  const floats = kernels.allocate(4 * layout.floatLength);
  const ints = kernels.allocate(4 * layout.length);
  const total = kernels.allocate(4 * layout.length);
  let ranges = stored;
  for (let attempt = 0; ; attempt++) {
    const sums = new Int32Array(buffer, total, layout.length).fill(0);
    for (const own of owners) {
      const part = new Int32Array(buffer, ints, layout.length);
      part.fill(own.length === 0 ? 0 : 0x5a5a5a5a); // what was there before counts for nothing
      for (const [index, shard] of own.entries()) {
        new Float32Array(buffer, floats, layout.floatLength).set(shards[shard] as Float32Array);
        sumShard(kernels, { layout, ranges, floats, ints, first: index === 0, shards: shards.length });
      }
      kernels.addInt32(total, ints, layout.length);
    }
    const verdict = judge(layout, sums, ranges, attempt);
    if (verdict.kind === 'redo') {
      ranges = verdict.ranges;
      continue;
    }
    const largest = layout.tensors.map(({ offset, size }) => kernels.maxAbsInt32(total + 4 * offset, size));
    const accepted = verdict.kind === 'accept';
    return {
      kind: verdict.kind,
      redos: attempt,
      ranges,
      next: accepted ? nextRanges({ layout, ranges, largest, shards: shards.length }) : stored,
      sums,
      means: tensorMeans(layout, sums, ranges, shards.length, 0, layout.floatLength),
    };
  }
}

export const first = (layout: UpdateLayout): TensorRange[] => initialRanges(layout.tensors.length);
