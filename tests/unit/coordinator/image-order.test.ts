import { describe, expect, it } from 'vitest';
import { ImageOrder } from '../../../coordinator/image-order.js';

const spec = {
  seed: 3,
  shards: 3,
  shardBatch: 4,
  dataset: { name: 'd', sha256: 'a'.repeat(64), images: 50 },
};
/** 50 images make 4 steps of 12; two are left over. */
const pass = (order: ImageOrder, number: number): number[] =>
  [0, 1, 2, 3].flatMap((step) => [0, 1, 2].flatMap((shard) => [...order.indices(4 * number + step, shard)]));

describe('the order of images', () => {
  it('uses every image at most once a pass and drops the remainder', () => {
    const used = pass(new ImageOrder(spec), 0);
    expect(used).toHaveLength(48);
    expect(new Set(used).size).toBe(48);
    expect(Math.max(...used)).toBeLessThan(50);
  });

  it('differs from pass to pass and from seed to seed, and is the same whoever asks in which order', () => {
    const order = new ImageOrder(spec);
    const second = pass(order, 1);
    expect(pass(order, 0)).not.toEqual(second);
    expect(pass(new ImageOrder(spec), 1)).toEqual(second);
    expect(pass(new ImageOrder({ ...spec, seed: 4 }), 1)).not.toEqual(second);
  });
});
