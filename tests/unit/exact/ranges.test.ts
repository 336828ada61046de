import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeRanges,
  encodeRanges,
  FIRST_EXPONENT,
  initialRanges,
  sumBits,
} from '../../../worker/exact/index.js';
import { ceilLog2Ratio, nextRange } from '../../../worker/exact/next-ranges.js';
import { MAX_EXPONENT, MIN_EXPONENT } from '../../../worker/kernels/index.js';

describe('ceilLog2Ratio', () => {
  it('is the smallest power of two that is not below the ratio', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer({ min: 1, max: 2 ** 31 }),
          fc.integer({ min: 0, max: 31 }).map((bits) => 2 ** bits),
        ),
        fc.integer({ min: 1, max: 4_096 }),
        (numerator, denominator) => {
          const k = ceilLog2Ratio(numerator, denominator);
          expect(numerator).toBeLessThanOrEqual(denominator * 2 ** k);
          expect(numerator).toBeGreaterThan(denominator * 2 ** (k - 1));
        },
      ),
      { seed: 1, numRuns: 5_000 },
    );
  });
});

describe('nextRange', () => {
  const shards = 4; // L = 29
  const sumOf = (mean: number, exponent: number): number => mean * 2 ** exponent * shards;

  it('keeps six bits above the tracked magnitude', () => {
    const seen = nextRange({ exponent: 30, magnitude: null }, sumOf(2 ** -5, 30), shards);
    expect(seen).toEqual({ exponent: 29 - 6 + 5, magnitude: -5 });
    // The smallest mean above 2^-5 is tracked as 2^-4.
    expect(nextRange({ exponent: 28, magnitude: -5 }, sumOf(2 ** -5, 28) + 1, shards).magnitude).toBe(-4);
  });

  it('rises at once and falls one bit an update', () => {
    let range = nextRange({ exponent: 10, magnitude: null }, sumOf(2 ** -8, 10), shards);
    expect(range.magnitude).toBe(-8);
    range = nextRange(range, sumOf(2 ** -2, range.exponent), shards);
    expect(range).toEqual({ exponent: 25, magnitude: -2 });
    const magnitudes = [];
    for (let i = 0; i < 8; i++) {
      range = nextRange(range, sumOf(2 ** -8, range.exponent), shards);
      magnitudes.push(range.magnitude);
    }
    expect(magnitudes).toEqual([-3, -4, -5, -6, -7, -8, -8, -8]);
    expect(range.exponent).toBe(31);
  });

  it('raises the exponent of zeros by 16, up to 126', () => {
    let range = { exponent: FIRST_EXPONENT, magnitude: null } as ReturnType<typeof nextRange>;
    const exponents = [];
    for (let i = 0; i < 8; i++) {
      range = nextRange(range, 0, shards);
      exponents.push(range.exponent);
    }
    expect(exponents).toEqual([46, 62, 78, 94, 110, 126, 126, 126]);
    expect(range.magnitude).toBeNull();
  });

  it('lets the magnitude of zeros fall too, and not for ever', () => {
    let range = nextRange({ exponent: 30, magnitude: -5 }, 0, shards);
    expect(range).toEqual({ exponent: 46, magnitude: -6 });
    for (let i = 0; i < 1_000; i++) range = nextRange(range, 0, shards);
    expect(range).toEqual({ exponent: MAX_EXPONENT, magnitude: -150 });
    expect(nextRange(range, 1, shards).exponent).toBe(MAX_EXPONENT);
  });

  it('stays within the exponents that the kernels take, for any sums', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: MIN_EXPONENT, max: MAX_EXPONENT }),
        fc.option(fc.integer({ min: -150, max: 128 })),
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 4_096 }),
        (exponent, magnitude, maxAbsSum, anyShards) => {
          const next = nextRange({ exponent, magnitude }, maxAbsSum, anyShards);
          expect(next.exponent).toBeGreaterThanOrEqual(MIN_EXPONENT);
          expect(next.exponent).toBeLessThanOrEqual(MAX_EXPONENT);
          expect(next.magnitude ?? 0).toBeGreaterThanOrEqual(-150);
          expect(next.magnitude ?? 0).toBeLessThanOrEqual(128);
          // The same means again have their room. None lies above 2^128: no sum of float32 values does.
          const largestMean = (maxAbsSum * 2 ** -exponent) / anyShards;
          if (maxAbsSum > 0 && largestMean <= 2 ** 128)
            expect(largestMean * 2 ** next.exponent).toBeLessThanOrEqual(2 ** (sumBits(anyShards) - 6));
        },
      ),
      { seed: 2, numRuns: 3_000 },
    );
  });
});

describe('stored ranges', () => {
  it('come back as they were, two ints each', () => {
    const ranges = [
      ...initialRanges(2),
      { exponent: -126, magnitude: 128 },
      { exponent: 126, magnitude: -150 },
    ];
    const ints = new Int32Array(8);
    encodeRanges(ranges, ints);
    expect([...ints]).toEqual([30, -(2 ** 31), 30, -(2 ** 31), -126, 128, 126, -150]);
    expect(decodeRanges(ints)).toEqual(ranges);
  });

  it('refuse a place of another size', () => {
    expect(() => encodeRanges(initialRanges(2), new Int32Array(3))).toThrow(/broken invariant/);
    expect(() => decodeRanges(new Int32Array(3))).toThrow(/broken invariant/);
  });
});
