/**
 * Who computes what. Shards are dealt round-robin and the deal goes on where the last step's ended, so that every
 * worker gets the same number of shards over time even when the world does not divide S.
 */
export function rankOfShard(step: number, shard: number, shards: number, world: number): number {
  // Reduced first, so that step x shards stays an exact integer for any run length.
  return ((((step % world) * (shards % world)) % world) + shard) % world;
}

/** The shards of `step` that `rank` computes, ascending. */
export function shardsOfRank(step: number, rank: number, shards: number, world: number): number[] {
  const own: number[] = [];
  for (let shard = 0; shard < shards; shard++)
    if (rankOfShard(step, shard, shards, world) === rank) own.push(shard);
  return own;
}

/** The most shards of one step that any rank computes: the number of engine slots a worker needs. */
export const maxShardsPerRank = (shards: number, world: number): number => Math.ceil(shards / world);
