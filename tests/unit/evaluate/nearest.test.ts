import { describe, expect, it } from 'vitest';
import { copyCheck, lowerToColumns, nearestDistances, unseen } from '../../../deploy/evaluate/nearest.js';

describe('nearest images', () => {
  it('are found block by block', () => {
    const nearest = unseen(3);
    lowerToColumns({ first: 0, rows: 2, columns: 3, squared: Int32Array.of(9, 4, 7, 8, 5, 2) }, nearest);
    lowerToColumns({ first: 2, rows: 1, columns: 3, squared: Int32Array.of(1, 6, 3) }, nearest);
    expect([...nearest]).toEqual([1, 4, 2]);
  });

  it('are told in pixels of 0 to 1', () => {
    const squared = Int32Array.from({ length: 101 }, (_, i) => (100 - i) ** 2 * 255 ** 2);
    expect(nearestDistances(squared)).toEqual({ smallest: 0, percentile1: 1, median: 50 });
  });
});

describe('the check for copies', () => {
  const sets = { training: 60_000, test: 10_000 };
  const testToTraining = Int32Array.from({ length: 101 }, (_, i) => (100 + i) ** 2);

  it('counts samples whose nearest image is of the training set, ties by half', () => {
    const { nearestIsTraining, expected } = copyCheck(
      { toTraining: Int32Array.of(1, 5, 7, 9), toTest: Int32Array.of(2, 5, 6, 10), testToTraining },
      sets,
    );
    expect(nearestIsTraining).toBe(2.5 / 4);
    expect(expected).toBeCloseTo(6 / 7, 12);
  });

  it('counts samples that are nearer than 99 of 100 test images, that limit excluded', () => {
    const toTraining = Int32Array.of(0, 100 ** 2, 101 ** 2 - 1, 101 ** 2, 102 ** 2);
    const check = copyCheck({ toTraining, toTest: toTraining, testToTraining }, sets);
    expect(check.test.percentile1).toBeCloseTo(101 / 255, 12);
    expect(check.nearerThanTest).toBe(3 / 5);
    expect(check.samples.smallest).toBe(0);
  });
});
