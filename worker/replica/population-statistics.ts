import type { ModelLayout } from '../../proto/index.js';

/** Shards of noise that the moments are taken over. */
export const POPULATION_SHARDS = 64;

/**
 * Running statistics for weights that were never trained with: those of an average over updates. The means, over shards
 * of noise, of each batch norm's batch mean and unbiased variance in training mode ("precise" batch norm: Wu and Johnson,
 * "Rethinking 'Batch' in BatchNorm", 2021, section 3). Sums in float64, in the order of the shards.
 * @param batchOf a shard's batch means and biased variances, laid out as ModelLayout.statistics
 * @returns laid out as ModelLayout.statistics
 */
export async function populationStatistics(
  layout: Pick<ModelLayout, 'statistics' | 'statisticCount'>,
  shardBatch: number,
  batchOf: (shard: number) => Promise<Float32Array>,
): Promise<Float32Array> {
  const sums = new Float64Array(layout.statisticCount);
  for (let shard = 0; shard < POPULATION_SHARDS; shard++) {
    const batch = await batchOf(shard);
    for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (batch[i] as number);
  }
  const statistics = new Float32Array(layout.statisticCount);
  for (const { offset, size, role } of layout.statistics) {
    const scale = role === 'variance' ? shardBatch / (shardBatch - 1) : 1;
    for (let i = offset; i < offset + size; i++)
      statistics[i] = ((sums[i] as number) / POPULATION_SHARDS) * scale;
  }
  return statistics;
}
