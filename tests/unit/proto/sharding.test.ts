import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxShardsPerRank, rankOfShard, shardsOfRank } from '../../../proto/index.js';

describe('dealing shards', () => {
  it('deals a step of 4 shards to 3 workers and goes on where it stopped', () => {
    const deal = (step: number) => [0, 1, 2, 3].map((shard) => rankOfShard(step, shard, 4, 3));
    expect([deal(0), deal(1), deal(2)]).toEqual([
      [0, 1, 2, 0],
      [1, 2, 0, 1],
      [2, 0, 1, 2],
    ]);
  });

  it('gives every shard of a step to one rank, evenly, for any world up to S and any step', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 0, max: 2 ** 31 - 1 }),
        (shards, other, step) => {
          const world = Math.min(shards, other);
          const dealt = Array.from({ length: world }, (_, rank) => shardsOfRank(step, rank, shards, world));
          expect(dealt.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: shards }, (_, i) => i));
          for (const own of dealt) {
            expect(own.length).toBeLessThanOrEqual(maxShardsPerRank(shards, world));
            expect(own.length).toBeGreaterThanOrEqual(Math.floor(shards / world));
          }
        },
      ),
    );
  });

  it('is even over many steps when the world does not divide S', () => {
    const counts = [0, 0, 0];
    for (let step = 0; step < 300; step++) {
      for (let rank = 0; rank < 3; rank++)
        counts[rank] = (counts[rank] ?? 0) + shardsOfRank(step, rank, 4, 3).length;
    }
    expect(counts).toEqual([400, 400, 400]);
  });
});
