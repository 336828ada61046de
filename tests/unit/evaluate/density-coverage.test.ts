import { describe, expect, it } from 'vitest';
import { BallCounter, distancesToNeighbour } from '../../../deploy/evaluate/density-coverage.js';
import type { FeatureBlock } from '../../../deploy/evaluate/pairwise-distances.js';
import { normalPoints, plainDistances } from './points.js';

const K = 5;

/** The distances of a to b in blocks of at most 7 rows. */
function* blocks(a: Float32Array, b: Float32Array, dimensions: number): Generator<FeatureBlock> {
  const count = a.length / dimensions;
  for (let first = 0; first < count; first += 7) {
    const rows = Math.min(7, count - first);
    const part = a.subarray(first * dimensions, (first + rows) * dimensions);
    const squared = Float32Array.from(plainDistances(part, b, dimensions));
    yield { first, rows, columns: b.length / dimensions, squared };
  }
}

function radiiOf(real: Float32Array, dimensions: number): Float32Array {
  const radii = new Float32Array(real.length / dimensions);
  for (const block of blocks(real, real, dimensions)) distancesToNeighbour(block, K, radii);
  return radii;
}

function measured(real: Float32Array, samples: Float32Array, dimensions: number) {
  const counter = new BallCounter(radiiOf(real, dimensions), K);
  for (const block of blocks(real, samples, dimensions)) counter.add(block);
  return counter.result(samples.length / dimensions);
}

/** Straight from the definitions, with sorted distances. */
function plain(real: Float32Array, samples: Float32Array, dimensions: number) {
  const count = real.length / dimensions;
  const others = samples.length / dimensions;
  const among = plainDistances(real, real, dimensions);
  const to = plainDistances(real, samples, dimensions);
  const inside = Array.from({ length: count }, (_, i) => {
    const radius = [...among.subarray(i * count, (i + 1) * count)].sort((a, b) => a - b)[K] ?? 0;
    return [...to.subarray(i * others, (i + 1) * others)].filter((squared) => squared < radius).length;
  });
  return {
    density: inside.reduce((a, b) => a + b, 0) / (K * others),
    coverage: inside.filter((found) => found > 0).length / count,
  };
}

describe('the distance to the k-th neighbour', () => {
  it('does not count the point itself', () => {
    const line = Float32Array.of(0, 1, 3, 6, 10, 15, 21);
    // From 0 the others lie at 1, 3, 6, 10, 15, 21; from 6 at 3, 4, 5, 6, 9, 15.
    const radii = radiiOf(line, 1);
    expect(radii[0]).toBe(15 ** 2);
    expect(radii[3]).toBe(9 ** 2);
  });

  it('counts others at the same place', () => {
    expect([...radiiOf(new Float32Array(12).fill(4), 2)]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe('density and coverage', () => {
  it.each([1, 2, 8])('are what their definitions say, in %i dimensions', (dimensions) => {
    const real = normalPoints(60, dimensions, 1);
    const samples = normalPoints(45, dimensions, 2).map((value) => 1.2 * value + 0.2);
    const found = measured(real, samples, dimensions);
    const expected = plain(real, samples, dimensions);
    expect(found.density).toBeCloseTo(expected.density, 12);
    expect(found.coverage).toBe(expected.coverage);
  });

  it('of further points of the same distribution are near 1', () => {
    const { density, coverage } = measured(normalPoints(500, 4, 3), normalPoints(500, 4, 4), 4);
    expect(density).toBeGreaterThan(0.9);
    expect(density).toBeLessThan(1.1);
    expect(coverage).toBeGreaterThan(0.9);
  });

  it('tell by the coverage that one of four groups is never drawn', () => {
    const group = (points: Float32Array, from: number): Float32Array =>
      points.map((value, i) => value + (i % 2 === 0 ? 100 * (from + (Math.floor(i / 2) % (4 - from))) : 0));
    const { density, coverage } = measured(
      group(normalPoints(400, 2, 5), 0),
      group(normalPoints(300, 2, 6), 1),
      2,
    );
    expect(density).toBeGreaterThan(0.8);
    expect(coverage).toBeLessThan(0.75);
    expect(coverage).toBeGreaterThan(0.65);
  });

  it('of samples far away are 0', () => {
    const far = normalPoints(50, 3, 7).map((value) => value + 1e3);
    expect(measured(normalPoints(50, 3, 8), far, 3)).toEqual({ density: 0, coverage: 0 });
  });
});
