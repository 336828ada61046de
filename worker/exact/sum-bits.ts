import { invariant, limits } from '../../proto/index.js';

/**
 * L: bits that a shard's rounded value may take, 31 - ceil(log2 S). Then no sum over S shards, in any order and with
 * any of them missing, leaves int32: S x (2^L - 1) <= 2^31 - S.
 */
export function sumBits(shards: number): number {
  invariant(
    Number.isInteger(shards) && shards >= 1 && shards <= limits.maxShards,
    `from 1 to ${limits.maxShards} shards: ${shards}`,
  );
  return Math.clz32(shards - 1) - 1;
}

/** The largest integer that one shard may contribute: 2^L - 1. */
export function shardLimit(shards: number): number {
  return 2147483647 >>> (31 - sumBits(shards));
}
