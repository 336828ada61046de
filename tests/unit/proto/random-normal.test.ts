import { describe, expect, it } from 'vitest';
import { normalFromWord } from '../../../proto/normal-quantile.js';
import { fillNormal } from '../../../proto/random.js';

/** The standard normal's distribution function, by its Taylor series about zero: for tests, good to 1e-12 up to 5. */
function normalCdf(z: number): number {
  let term = z;
  let sum = z;
  for (let k = 1; Math.abs(term) > 1e-17; k++) {
    term *= (-z * z) / (2 * k);
    sum += term / (2 * k + 1);
  }
  return 0.5 + sum / Math.sqrt(2 * Math.PI);
}

describe('normalFromWord', () => {
  // (word + 1/2) / 2^32, and its quantile to 17 digits from arbitrary-precision arithmetic.
  it.each([
    [0, -6.3379577545537895],
    [1, -6.1664295178197506],
    [1_000, -5.0398511259687115],
    [123_456, -4.0228876958084187],
    [322_122_546, -1.4395314720898174],
    [322_122_548, -1.4395314688002132],
    [1_000_000_000, -0.729556553075874],
    [2_147_483_648, 2.918099372916623e-10],
  ])('of %i is %d', (word, quantile) => {
    expect(Math.abs(normalFromWord(word) / quantile - 1)).toBeLessThan(1e-15);
  });

  it('inverts the distribution function', () => {
    for (let i = 1; i < 2_000; i++) {
      const word = i * 2_147_483;
      expect(Math.abs(normalCdf(normalFromWord(word)) - (word + 0.5) / 2 ** 32)).toBeLessThan(1e-12);
    }
  });

  it('is symmetric, and rises from word to word also where the formulas meet', () => {
    const seams = [0, 1, 322_122_540, 2_147_483_640, 3_972_844_740];
    for (const seam of seams) {
      for (let word = seam; word < seam + 20; word++) {
        expect(normalFromWord(word + 1)).toBeGreaterThan(normalFromWord(word));
        expect(normalFromWord(4_294_967_295 - word)).toBe(-normalFromWord(word));
      }
    }
  });
});

describe('fillNormal', () => {
  const n = 200_000;
  const sample = new Float32Array(n);
  fillNormal(sample, { seed: 1, stream: 'noise' });
  const moment = (power: number): number => sample.reduce((sum, z) => sum + z ** power, 0) / n;

  it('has the moments of a standard normal', () => {
    // Five standard errors each: the k-th moment's variance is (E z^2k - (E z^k)^2) / n.
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  });

  it('passes a Kolmogorov-Smirnov test', () => {
    const sorted = sample.slice().sort();
    let largest = 0;
    for (let i = 0; i < n; i++) {
      const z = sorted[i] as number;
      if (Math.abs(z) > 5) continue;
      const cdf = normalCdf(z);
      largest = Math.max(largest, Math.abs(cdf - i / n), Math.abs(cdf - (i + 1) / n));
    }
    expect(largest).toBeLessThan(1.95 / Math.sqrt(n)); // exceeded by chance once in 1,000
  });

  it('has no correlation between neighbours', () => {
    for (const lag of [1, 2, 3, 4, 100]) {
      let sum = 0;
      for (let i = lag; i < n; i++) sum += (sample[i] as number) * (sample[i - lag] as number);
      expect(Math.abs(sum / n)).toBeLessThan(5 / Math.sqrt(n));
    }
  });
});
