import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSampleStep, nextSampleStep } from '../../../proto/sample-schedule.js';

const sampledUpTo = (last: number, every: number): number[] =>
  Array.from({ length: last + 1 }, (_, step) => step).filter((step) => isSampleStep(step, every));

describe('the sample schedule', () => {
  it.each<[every: number, last: number, steps: number[]]>([
    [468, 1500, [10, 20, 50, 100, 200, 468, 936, 1404]],
    [2000, 4000, [10, 20, 50, 100, 200, 500, 1000, 2000, 4000]],
    [50, 200, [10, 20, 50, 100, 150, 200]],
    [12, 40, [10, 12, 24, 36]],
    [10, 30, [10, 20, 30]],
    [3, 10, [3, 6, 9]],
    [1, 4, [1, 2, 3, 4]],
  ])('every %i steps, up to %i', (every, last, steps) => {
    expect(sampledUpTo(last, every)).toEqual(steps);
  });

  it('names as the next step the first one that is a sample step', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 3_000 }), (step, every) => {
        const next = nextSampleStep(step, every);
        expect(next).toBeGreaterThan(step);
        expect(sampledUpTo(next, every).filter((found) => found > step)).toEqual([next]);
      }),
    );
  });

  it('is answered at once, however far the run is', () => {
    expect(isSampleStep(2 ** 52, 2 ** 40)).toBe(true);
    expect(nextSampleStep(2 ** 52, 3)).toBe(2 ** 52 + 2);
  });
});
