import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { between } from '../../../deploy/generate/interpolation.js';
import { seededNoise } from '../../../deploy/generator/index.js';

const SIZE = 100;
const norm = (row: Float32Array): number => Math.hypot(...row);
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
const angle = (a: Float32Array, b: Float32Array): number =>
  Math.acos(Math.min(1, dot(a, b) / (norm(a) * norm(b))));

const noise = fc.nat().map((seed) => seededNoise(SIZE, { seed, count: 1 }));
const place = fc.double({ min: 0, max: 1, noNaN: true });

describe('a point between two rows of noise', () => {
  it('is the one at the beginning and the other at the end, to the last bit', () => {
    fc.assert(
      fc.property(noise, noise, (a, b) => {
        expect(between(a, b, SIZE, 0)).toEqual(a);
        expect(between(a, b, SIZE, 1)).toEqual(b);
      }),
    );
  });

  it('lies as far along the angle as it is asked for', () => {
    fc.assert(
      fc.property(noise, noise, place, (a, b, t) => {
        const unit = (row: Float32Array): Float32Array => row.map((x) => x / norm(row));
        const [from, to] = [unit(a), unit(b)];
        const point = between(from, to, SIZE, t);
        fc.pre(angle(from, to) > 1e-3);
        expect(norm(point)).toBeCloseTo(1, 4);
        expect(angle(from, point)).toBeCloseTo(t * angle(from, to), 2);
      }),
    );
  });

  it('is as long as noise is, where a straight line would be shorter', () => {
    const [a, b] = [seededNoise(SIZE, { seed: 1, count: 1 }), seededNoise(SIZE, { seed: 2, count: 1 })];
    const straight = a.map((x, i) => (x + (b[i] ?? 0)) / 2);
    const shorter = Math.min(norm(a), norm(b));
    expect(norm(straight)).toBeLessThan(0.8 * shorter);
    expect(norm(between(a, b, SIZE, 0.5))).toBeGreaterThan(0.95 * shorter);
  });

  it('is found for each row by itself', () => {
    const a = seededNoise(SIZE, { seed: 1, count: 3 });
    const b = seededNoise(SIZE, { seed: 2, count: 3 });
    const together = between(a, b, SIZE, 0.3);
    for (const start of [0, SIZE, 2 * SIZE]) {
      const alone = between(a.subarray(start, start + SIZE), b.subarray(start, start + SIZE), SIZE, 0.3);
      expect(together.subarray(start, start + SIZE)).toEqual(alone);
    }
  });

  it.each([
    ['the same way', [3, 4], [6, 8], [4.5, 6]],
    ['opposite ways', [3, 4], [-3, -4], [0, 0]],
    ['nowhere', [0, 0], [2, 2], [1, 1]],
  ])('is on the line between rows that point %s', (_, a, b, middle) => {
    const point = between(Float32Array.from(a), Float32Array.from(b), 2, 0.5);
    expect([...point]).toEqual(middle);
  });
});
