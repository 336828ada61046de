import { createHash, randomBytes } from 'node:crypto';
import type { RunSpecDraft } from '../proto/index.js';

/** A name for a run that sorts by time and does not repeat. */
export function newRunId(now: Date): string {
  const stamp = now.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  return `${stamp}-${randomBytes(2).toString('hex')}`;
}

/**
 * The name of the run that follows from a RunSpec: the same for the same request, another one for any other. What the
 * dataset is called is no part of it, and neither is the engine's fingerprint, which only a worker can tell.
 */
export function runNameOf(spec: RunSpecDraft): string {
  const { recipe, shards, shardBatch, seed, dataset } = spec;
  const bits = { ...spec, dataset: { sha256: dataset.sha256, images: dataset.images } };
  const hash = createHash('sha256').update(JSON.stringify(bits)).digest('hex').slice(0, 8);
  return `${recipe.name.slice(0, 24)}-${shards}x${shardBatch}-seed${seed}-${hash}`;
}
