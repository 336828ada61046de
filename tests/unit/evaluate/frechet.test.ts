import { describe, expect, it } from 'vitest';
import { frechetDistance, momentsOf, type Moments } from '../../../deploy/evaluate/frechet.js';
import { normalPoints } from './points.js';

const moments = (mean: readonly number[], covariance: readonly number[]): Moments => ({
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance),
});

describe('moments', () => {
  it('are mean and unbiased covariance', () => {
    const { mean, covariance } = momentsOf(Float32Array.of(1, 2, 3, 8, 5, 5), 2);
    expect([...mean]).toEqual([3, 5]);
    // Deviations (-2, -3), (0, 3), (2, 0), over n - 1 = 2.
    expect([...covariance]).toEqual([4, 3, 3, 9]);
  });

  it('of standard normal points are near 0 and the identity', () => {
    const { mean, covariance } = momentsOf(normalPoints(20_000, 3, 1), 3);
    mean.forEach((value) => expect(Math.abs(value)).toBeLessThan(0.03));
    covariance.forEach((value, i) => expect(Math.abs(value - Number(i % 4 === 0))).toBeLessThan(0.05));
  });

  it('keep small spreads far from zero', () => {
    const { covariance } = momentsOf(Float32Array.of(1e4, 1e4 + 1, 1e4 + 2), 1);
    expect(covariance[0]).toBeCloseTo(1, 9);
  });
});

describe('the Frechet distance', () => {
  it('of a Gaussian from itself is 0', () => {
    const own = momentsOf(normalPoints(500, 40, 2), 40);
    expect(frechetDistance(own, own)).toBeLessThan(1e-9);
  });

  it('of one that is shifted is the squared shift', () => {
    const points = normalPoints(500, 12, 3);
    const shifted = points.map((value, i) => value + (i % 12 === 0 ? 3 : 0) - (i % 12 === 5 ? 4 : 0));
    // float32 points: their shift is rounded.
    expect(frechetDistance(momentsOf(points, 12), momentsOf(shifted, 12))).toBeCloseTo(25, 4);
  });

  it('of one that is scaled is the squared difference of the deviations, over all dimensions', () => {
    const a = moments([0, 0, 0], [4, 0, 0, 0, 9, 0, 0, 0, 16]);
    const b = moments([0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0, 1]);
    expect(frechetDistance(a, b)).toBeCloseTo(1 + 4 + 9, 9);
  });

  it('of covariances that do not commute has its closed form in two dimensions', () => {
    const first = [2, 0.5, 0.5, 1];
    const second = [1, -0.8, -0.8, 3];
    // tr sqrt(M) = sqrt(tr M + 2 sqrt(det M)) for the 2 x 2 matrix M = C1 C2.
    const traceOfProduct = 2 * 1 + 2 * (0.5 * -0.8) + 1 * 3;
    const determinant = (2 * 1 - 0.25) * (1 * 3 - 0.64);
    const traceOfRoot = Math.sqrt(traceOfProduct + 2 * Math.sqrt(determinant));
    const expected = 1 + 4 + (2 + 1 + 1 + 3) - 2 * traceOfRoot;
    expect(frechetDistance(moments([0, 0], first), moments([1, 2], second))).toBeCloseTo(expected, 9);
    expect(frechetDistance(moments([1, 2], second), moments([0, 0], first))).toBeCloseTo(expected, 9);
  });

  it('of points without any spread is the squared distance and the other variance', () => {
    const same = momentsOf(new Float32Array(20).fill(2), 2);
    expect(frechetDistance(same, moments([0, 0], [3, 1, 1, 5]))).toBeCloseTo(8 + 8, 9);
  });
});
