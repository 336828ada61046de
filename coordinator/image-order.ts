import { permutation } from '../proto/random.js';
import type { RunSpec } from '../proto/index.js';
import { globalBatch, stepsPerPass } from '../proto/index.js';

/**
 * Which images a shard holds: a seeded permutation of the training set a pass, cut into global batches, cut into
 * shards; the remainder of a pass is dropped.
 */
export class ImageOrder {
  private pass = -1;
  private order: Uint32Array = new Uint32Array(0);

  constructor(private readonly spec: Pick<RunSpec, 'seed' | 'shards' | 'shardBatch' | 'dataset'>) {}

  /** Indices of the B images of a shard; a view that stays valid until another pass is asked for. */
  indices(step: number, shard: number): Uint32Array {
    const { spec } = this;
    const perPass = stepsPerPass(spec);
    const pass = Math.floor(step / perPass);
    if (pass !== this.pass) {
      this.order = permutation(spec.dataset.images, { seed: spec.seed, stream: 'image-order', step: pass });
      this.pass = pass;
    }
    const start = (step % perPass) * globalBatch(spec) + shard * spec.shardBatch;
    return this.order.subarray(start, start + spec.shardBatch);
  }
}
