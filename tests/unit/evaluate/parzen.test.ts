import { describe, expect, it } from 'vitest';
import { SIGMAS, meanAndError, parzenLogLikelihoods } from '../../../deploy/evaluate/parzen.js';
import { normalPoints, plainDistances } from './points.js';

function logLikelihoods(
  points: Float32Array,
  samples: Float32Array,
  dimensions: number,
  sigma: number,
): number[] {
  const out = new Float64Array(points.length / dimensions);
  const squared = plainDistances(points, samples, dimensions);
  parzenLogLikelihoods(squared, samples.length / dimensions, { sigma, unit: 1, dimensions }, out);
  return [...out];
}

/** Density of a mixture of Gaussians, straight from its definition. */
function mixtureDensity(point: Float32Array, means: Float32Array, sigma: number): number {
  const dimensions = point.length;
  const height = (2 * Math.PI * sigma ** 2) ** (-dimensions / 2);
  const count = means.length / dimensions;
  return [...plainDistances(point, means, dimensions)].reduce(
    (sum, squared) => sum + (height * Math.exp(-squared / (2 * sigma ** 2))) / count,
    0,
  );
}

describe('the log-likelihood under a Parzen window', () => {
  it.each([0.3, 1, 4])('is that of the mixture of Gaussians with sigma %f', (sigma) => {
    const dimensions = 5;
    const samples = normalPoints(200, dimensions, 1);
    const points = normalPoints(50, dimensions, 2);
    const found = logLikelihoods(points, samples, dimensions, sigma);
    found.forEach((value, i) => {
      const density = mixtureDensity(points.subarray(5 * i, 5 * i + 5), samples, sigma);
      expect(value).toBeCloseTo(Math.log(density), 9);
    });
  });

  it('of one sample is that of a Gaussian, also where its density is no float64 any more', () => {
    const [far = 0] = logLikelihoods(Float32Array.of(300, 400), Float32Array.of(0, 0), 2, 2);
    expect(far).toBeCloseTo(-(500 ** 2) / 8 - Math.log(2 * Math.PI * 4), 9);
    expect(mixtureDensity(Float32Array.of(300, 400), Float32Array.of(0, 0), 2)).toBe(0);
  });

  it('does not change when samples come twice or far away ones join in number', () => {
    const samples = normalPoints(20, 3, 3);
    const twice = Float32Array.from([...samples, ...samples]);
    const points = normalPoints(10, 3, 4);
    const once = logLikelihoods(points, samples, 3, 0.5);
    logLikelihoods(points, twice, 3, 0.5).forEach((value, i) => expect(value).toBeCloseTo(once[i] ?? 0, 12));
    const withFar = Float32Array.from([...samples, ...samples.map((value) => value + 1e4)]);
    logLikelihoods(points, withFar, 3, 0.5).forEach((value, i) =>
      expect(value).toBeCloseTo((once[i] ?? 0) - Math.log(2), 12),
    );
  });

  it('takes whole grey levels for pixels in [0, 1]', () => {
    const out = new Float64Array(1);
    parzenLogLikelihoods([255 ** 2 * 3], 1, { sigma: 1, unit: 1 / 255 ** 2, dimensions: 4 }, out);
    expect(out[0]).toBeCloseTo(-1.5 - 2 * Math.log(2 * Math.PI), 12);
  });
});

describe('the mean over test images', () => {
  it('has the standard error of a mean', () => {
    const { mean, standardError } = meanAndError(Float64Array.of(1, 2, 3, 6));
    expect(mean).toBe(3);
    // Sample variance 14 / 3, over four values.
    expect(standardError).toBeCloseTo(Math.sqrt(14 / 3 / 4), 12);
  });
});

describe('sigma', () => {
  it("is chosen from the GAN paper's ten values", () => {
    const byNumpy = [
      0.1, 0.12915497, 0.16681005, 0.21544347, 0.27825594, 0.35938137, 0.46415888, 0.59948425, 0.77426368, 1,
    ];
    expect(SIGMAS).toHaveLength(10);
    SIGMAS.forEach((sigma, i) => expect(sigma).toBeCloseTo(byNumpy[i] ?? 0, 8));
  });
});
