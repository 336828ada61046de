import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_EXPONENT, MIN_EXPONENT } from '../../../worker/kernels/index.js';
import { KernelPair, place } from './kernel-pair.js';

const A = place(0);
const B = place(1);
const MIN_INT = -(2 ** 31);
const MAX_INT = 2 ** 31 - 1;

let pair: KernelPair;
beforeAll(async () => {
  pair = await KernelPair.load();
});
beforeEach(() => pair.clear());

const anyInt = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, 1, -1, MIN_INT, MAX_INT, 2 ** 24 + 1, -(2 ** 24) - 1),
);
const ints = fc.array(anyInt, { maxLength: 70 });
const offset = fc.constantFrom(0, 4, 8, 12);

describe('addInt32', () => {
  it('adds, and wraps as int32 does', () => {
    pair.putInts(A, [1, -1, MAX_INT, MIN_INT, 7]);
    pair.putInts(B, [2, -2, 1, -1, 8]);
    pair.same((kernels) => kernels.addInt32(A, B, 5));
    expect(pair.ints(A, 5)).toEqual([3, -3, MIN_INT, MAX_INT, 15]);
    expect(pair.ints(B, 5)).toEqual([2, -2, 1, -1, 8]);
  });

  it('is the same in both twins for any length and offset', () => {
    fc.assert(
      fc.property(ints, anyInt, offset, offset, (values, start, offsetA, offsetB) => {
        pair.clear();
        pair.putInts(A + offsetA, new Int32Array(values.length).fill(start));
        pair.putInts(B + offsetB, values);
        pair.same((kernels) => kernels.addInt32(A + offsetA, B + offsetB, values.length));
        expect(pair.ints(A + offsetA, values.length)).toEqual(values.map((value) => (value + start) | 0));
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('maxAbsInt32', () => {
  it.each<[number[], number]>([
    [[], 0],
    [[0, 0, 0, 0, 0], 0],
    [[-3], 3],
    [[1, 2, 3, 4, -5], 5],
    [[MAX_INT, MIN_INT + 1], MAX_INT],
    [[0, MAX_INT, MIN_INT, 0, 0, 0], 2 ** 31],
  ])('of %j is %d', (values, largest) => {
    pair.putInts(A, values);
    expect(pair.same((kernels) => kernels.maxAbsInt32(A, values.length))).toBe(largest);
  });

  it('finds the largest wherever it lies', () => {
    for (let n = 1; n <= 20; n++) {
      for (let i = 0; i < n; i++) {
        const values = new Int32Array(n).fill(3);
        values[i] = -100;
        pair.putInts(A + 4, values);
        expect(pair.same((kernels) => kernels.maxAbsInt32(A + 4, n))).toBe(100);
      }
    }
  });
});

describe('dequantize', () => {
  const means = (sums: number[], exponent: number, shards: number): number[] => {
    pair.putInts(A, sums);
    pair.same((kernels) => kernels.dequantize(A, B, sums.length, exponent, shards));
    return pair.floats(B, sums.length);
  };

  it('is exact for powers of two', () => {
    expect(means([1, -6, 2 ** 24, 0, 12], 10, 4)).toEqual([
      2 ** -12,
      -6 * 2 ** -12,
      2 ** 12,
      0,
      12 * 2 ** -12,
    ]);
    expect(means([MAX_INT, MIN_INT], 0, 1)).toEqual([2 ** 31, -(2 ** 31)]);
  });

  it('divides by any number of shards within a bit', () => {
    fc.assert(
      fc.property(
        anyInt,
        fc.integer({ min: -60, max: 60 }),
        fc.integer({ min: 1, max: 4_096 }),
        (sum, exponent, shards) => {
          const exact = (sum * 2 ** -exponent) / shards;
          expect(Math.abs((means([sum], exponent, shards)[0] as number) - exact)).toBeLessThanOrEqual(
            Math.abs(exact) * 2 ** -22.4, // three roundings of at most 2^-24
          );
        },
      ),
      { seed: 2, numRuns: 1_000 },
    );
  });

  it('stays finite at the largest floats, and keeps denormals', () => {
    const largest = Math.fround(3.4028234663852886e38);
    expect(means([4, -4, 2 ** 20], MIN_EXPONENT, 1)).toEqual([largest, -largest, largest]);
    expect(means([1, 3, -1], MAX_EXPONENT, 2)).toEqual([2 ** -127, 3 * 2 ** -127, -(2 ** -127)]);
  });

  it('is the same bits in both twins for any length, offset, exponent and number of shards', () => {
    fc.assert(
      fc.property(
        ints,
        fc.integer({ min: MIN_EXPONENT, max: MAX_EXPONENT }),
        fc.integer({ min: 1, max: 4_096 }),
        offset,
        offset,
        (sums, exponent, shards, offsetA, offsetB) => {
          pair.clear();
          pair.putInts(A + offsetA, sums);
          pair.same((kernels) => kernels.dequantize(A + offsetA, B + offsetB, sums.length, exponent, shards));
        },
      ),
      { seed: 3, numRuns: 1_000 },
    );
  });
});
