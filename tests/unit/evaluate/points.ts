import { fillNormal, fillUniform } from '../../../proto/random.js';

/** Standard normal points [count, dimensions]. */
export function normalPoints(count: number, dimensions: number, seed: number): Float32Array {
  const points = new Float32Array(count * dimensions);
  fillNormal(points, { seed, stream: 'probe' });
  return points;
}

/** Images of noise, [count, 784]. */
export function noiseImages(count: number, seed: number): Uint8Array {
  const values = new Float32Array(count * 784);
  fillUniform(values, { seed, stream: 'probe' }, 0, 256);
  return Uint8Array.from(values);
}

/** Squared distances [a, b] in float64, pair by pair. */
export function plainDistances(a: ArrayLike<number>, b: ArrayLike<number>, dimensions: number): Float64Array {
  const columns = b.length / dimensions;
  const distances = new Float64Array((a.length / dimensions) * columns);
  for (let pair = 0; pair < distances.length; pair++) {
    const row = Math.floor(pair / columns) * dimensions;
    const column = (pair % columns) * dimensions;
    let sum = 0;
    for (let i = 0; i < dimensions; i++) sum += ((a[row + i] as number) - (b[column + i] as number)) ** 2;
    distances[pair] = sum;
  }
  return distances;
}
