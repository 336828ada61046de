import type { ModelLayout } from '../../proto/index.js';

/**
 * Folds one step's batch statistics into the running ones, in place: running = momentum x running + (1 - momentum) x
 * batch, with the unbiased variance (x B / (B - 1)), as PyTorch and the tutorial's framework do. Float32 after each
 * operation, so that every JavaScript engine gives the same bits.
 * @param running laid out as ModelLayout.statistics
 * @param batch mean over the shards of each shard's batch mean and biased variance, same layout
 */
export function foldBatchStatistics(
  layout: Pick<ModelLayout, 'statistics'>,
  running: Float32Array,
  batch: ArrayLike<number>,
  shardBatch: number,
): void {
  const unbiased = Math.fround(shardBatch / (shardBatch - 1));
  for (const { offset, size, role, momentum } of layout.statistics) {
    const old = Math.fround(momentum);
    const fresh = Math.fround(1 - momentum);
    const scale = role === 'variance' ? unbiased : 1;
    for (let i = offset; i < offset + size; i++) {
      const value = Math.fround(Math.fround(batch[i] ?? 0) * scale);
      running[i] = Math.fround(Math.fround((running[i] ?? 0) * old) + Math.fround(value * fresh));
    }
  }
}

/** Before the first update: mean 0, variance 1. */
export function resetStatistics(layout: Pick<ModelLayout, 'statistics'>, running: Float32Array): void {
  for (const { offset, size, role } of layout.statistics)
    running.fill(role === 'variance' ? 1 : 0, offset, offset + size);
}
