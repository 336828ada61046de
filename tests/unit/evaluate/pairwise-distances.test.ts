import { describe, expect, it, onTestFinished } from 'vitest';
import {
  FeatureDistances,
  ImageDistances,
  pack,
  type DistanceBlock,
} from '../../../deploy/evaluate/pairwise-distances.js';
import { loadOnnxRuntime } from '../../../worker/engine/onnx/index.js';
import { noiseImages, normalPoints, plainDistances } from './points.js';

const runtime = loadOnnxRuntime();

/** The rows of all blocks, in order. */
async function gathered(
  blocks: AsyncIterable<DistanceBlock<Int32Array | Float32Array>>,
): Promise<{ rows: (Int32Array | Float32Array)[]; blocks: number }> {
  const all: (Int32Array | Float32Array)[] = [];
  let count = 0;
  for await (const { first, rows, columns, squared } of blocks) {
    expect(all).toHaveLength(first);
    expect(squared).toHaveLength(rows * columns);
    for (let row = 0; row < rows; row++) all.push(squared.slice(row * columns, (row + 1) * columns));
    count += 1;
  }
  return { rows: all, blocks: count };
}

async function imageDistances(a: Uint8Array, b: Uint8Array, threads = 1): Promise<number[]> {
  const distances = await ImageDistances.open(runtime, 784, threads);
  onTestFinished(() => distances.close());
  return (await gathered(distances.blocks(a, pack(b, 784)))).rows.flatMap((row) => [...row]);
}

describe('distances between images', () => {
  it('are those of whole numbers, exactly', async () => {
    const a = noiseImages(37, 1);
    const b = noiseImages(70, 2);
    expect(await imageDistances(a, b)).toEqual([...plainDistances(a, b, 784)]);
  });

  it('do not overflow between all black and all white', async () => {
    const black = new Uint8Array(784);
    const white = new Uint8Array(784).fill(255);
    const both = new Uint8Array([...black, ...white]);
    const far = 784 * 255 ** 2;
    expect(await imageDistances(both, both)).toEqual([0, far, far, 0]);
  });

  it('are the same with two threads', async () => {
    const a = noiseImages(300, 3);
    const b = noiseImages(500, 4);
    expect(await imageDistances(a, b, 2)).toEqual(await imageDistances(a, b, 1));
  });

  it('come in blocks that hold every row once', async () => {
    const distances = await ImageDistances.open(runtime, 2, 1);
    onTestFinished(() => distances.close());
    const a = noiseImages(1, 5); // 392 points of two dimensions
    const b = new Uint8Array(2 * 40_000).map((_, i) => i % 251);
    const { rows, blocks } = await gathered(distances.blocks(a.subarray(0, 500), pack(b, 2)));
    expect(blocks).toBe(3);
    expect(rows).toHaveLength(250);
    for (const row of [0, 99, 100, 249]) {
      const expected = plainDistances(a.subarray(2 * row, 2 * row + 2), b, 2);
      expect([...(rows[row] ?? [])]).toEqual([...expected]);
    }
  });
});

describe('distances between features', () => {
  it('differ from float64 by rounding only', async () => {
    const distances = await FeatureDistances.open(runtime, 128);
    onTestFinished(() => distances.close());
    const a = normalPoints(90, 128, 1);
    const b = normalPoints(130, 128, 2);
    const values = (await gathered(distances.blocks(a, pack(b, 128)))).rows.flatMap((row) => [...row]);
    const expected = plainDistances(a, b, 128);
    const errors = values.map((value, i) => Math.abs(value - (expected[i] as number)));
    // Norms are near 128, and float32 has 24 bits.
    expect(Math.max(...errors)).toBeLessThan(1e-4);
    expect(Math.min(...values)).toBeGreaterThan(100);
  });
});
