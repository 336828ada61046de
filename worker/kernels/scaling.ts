import { invariant } from '../../proto/index.js';
import { MAX_EXPONENT, MIN_EXPONENT } from './kernels.js';
import { powerOfTwo } from './power-of-two.js';

function checkExponent(exponent: number): void {
  invariant(
    Number.isInteger(exponent) && exponent >= MIN_EXPONENT && exponent <= MAX_EXPONENT,
    `an exponent from ${MIN_EXPONENT} to ${MAX_EXPONENT}: ${exponent}`,
  );
}

/** Both twins compute their constants here, so that they can differ in the loops only. */
export function quantizeScaling(exponent: number, limit: number): { scale: number; bound: number } {
  checkExponent(exponent);
  const bound = limit + 1;
  invariant(
    Number.isInteger(bound) &&
      bound >= 2 &&
      bound <= 2 ** 31 &&
      powerOfTwo(30 - Math.clz32(limit) + 2) === bound,
    `a limit of 2^L - 1: ${limit}`,
  );
  return { scale: powerOfTwo(exponent), bound };
}

/** Mean = (float32(sum) x share) x scale. */
export function meanScaling(exponent: number, shards: number): { share: number; scale: number } {
  checkExponent(exponent);
  invariant(Number.isInteger(shards) && shards >= 1, `a number of shards: ${shards}`);
  return { share: Math.fround(1 / shards), scale: powerOfTwo(-exponent) };
}
