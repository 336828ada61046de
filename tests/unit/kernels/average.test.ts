import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KernelPair, place } from './kernel-pair.js';

const AVERAGES = place(0);
const VALUES = place(1);

let pair: KernelPair;
beforeAll(async () => {
  pair = await KernelPair.load();
});
beforeEach(() => pair.clear());

function average(averages: ArrayLike<number>, values: ArrayLike<number>, weight: number): number[] {
  pair.putFloats(AVERAGES, averages);
  pair.putFloats(VALUES, values);
  pair.same((kernels) => kernels.average(AVERAGES, VALUES, averages.length, weight));
  return pair.floats(AVERAGES, averages.length);
}

describe('average', () => {
  it('moves each average by its share of the way to the value', () => {
    expect(average([0, 1, -2, 4, 8], [4, 1, 2, 0, -8], 0.25)).toEqual([1, 1, -1, 3, 4]);
  });

  it('stays with weight 0, and takes the value with weight 1 where the difference is exact', () => {
    expect(average([1, 2, 3], [5, 6, 7], 0)).toEqual([1, 2, 3]);
    expect(average([1, 2, 3], [5, 6, 7], 1)).toEqual([5, 6, 7]);
  });

  it('does nothing for no elements', () => {
    expect(average([], [], 0.5)).toEqual([]);
  });

  it('has the same bits in both twins, whatever the numbers and their count', () => {
    const any = fc.float({ noNaN: true, noDefaultInfinity: true });
    const pairs = fc.array(fc.tuple(any, any), { minLength: 1, maxLength: 19 });
    fc.assert(
      fc.property(pairs, fc.float({ min: 0, max: 1, noNaN: true }), (rows, weight) => {
        pair.clear();
        average(
          rows.map(([a]) => a),
          rows.map(([, b]) => b),
          weight,
        );
      }),
    );
  });
});
