import { describe, expect, it } from 'vitest';
import { limits } from '../../../proto/index.js';
import { shardLimit, sumBits } from '../../../worker/exact/index.js';

describe('sumBits', () => {
  it.each([
    [1, 31],
    [2, 30],
    [3, 29],
    [4, 29],
    [5, 28],
    [7, 28],
    [8, 28],
    [9, 27],
    [64, 25],
    [65, 24],
    [4_096, 19],
  ])('of %i shards is %i', (shards, bits) => {
    expect(sumBits(shards)).toBe(bits);
    expect(shardLimit(shards)).toBe(2 ** bits - 1);
  });

  it('lets no sum overflow, and wastes less than a bit, for every number of shards', () => {
    for (let shards = 1; shards <= limits.maxShards; shards++) {
      expect(shards * shardLimit(shards)).toBeLessThanOrEqual(2 ** 31 - 1);
      expect(2 * shards * (shardLimit(shards) + 1)).toBeGreaterThan(2 ** 31);
    }
  });

  it.each([0, -1, 1.5, limits.maxShards + 1, NaN])('refuses %d shards', (shards) => {
    expect(() => sumBits(shards)).toThrow(/broken invariant/);
  });
});
