/** Sums that cannot depend on order: the pure logic of integer gradients. */
export { nextRanges, type AcceptedSums } from './next-ranges.js';
export { sumShard, type ShardContribution } from './shard-sum.js';
export { shardLimit, sumBits } from './sum-bits.js';
export {
  decodeRanges,
  encodeRanges,
  FIRST_EXPONENT,
  initialRanges,
  type TensorRange,
} from './tensor-range.js';
export { tensorMeans } from './tensor-means.js';
export { judge, type Verdict } from './verdict.js';
