import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SyntheticDigits, openDataset, readIdx } from '../../../coordinator/dataset/index.js';

const SIDE = 28;
const IMAGE = SIDE * SIDE;

function drawn(
  digits: SyntheticDigits,
  first: number,
  count: number,
): { pixels: Uint8Array; labels: number[] } {
  const pixels = new Uint8Array(count * IMAGE);
  const labels: number[] = [];
  for (let i = 0; i < count; i++) {
    digits.draw(first + i, pixels, i * IMAGE);
    labels.push(digits.label(first + i));
  }
  return { pixels, labels };
}

/** Squared distance of two images. */
function distance(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number): number {
  let sum = 0;
  for (let i = 0; i < IMAGE; i++) {
    const difference = (a[aStart + i] ?? 0) - (b[bStart + i] ?? 0);
    sum += difference * difference;
  }
  return sum;
}

/** Share of the images whose nearest neighbour among the known ones shows the same digit. */
function recognised(
  known: { pixels: Uint8Array; labels: ArrayLike<number> },
  asked: { pixels: Uint8Array; labels: ArrayLike<number> },
): number {
  let right = 0;
  for (let i = 0; i < asked.labels.length; i++) {
    let best = Infinity;
    let label = -1;
    for (let k = 0; k < known.labels.length; k++) {
      const far = distance(asked.pixels, i * IMAGE, known.pixels, k * IMAGE);
      if (far < best) [best, label] = [far, known.labels[k] ?? -1];
    }
    if (label === asked.labels[i]) right++;
  }
  return right / asked.labels.length;
}

describe('synthetic digits', () => {
  it('are the same bits on every machine', () => {
    const { pixels, labels } = drawn(new SyntheticDigits(1, 60_000), 0, 2_000);
    const hash = createHash('sha256').update(pixels).update(Uint8Array.from(labels)).digest('hex');
    // Changes with every change of the drawing: then GENERATOR_VERSION changes too.
    expect(hash).toBe('e69582b580b2b40c36d0d3d0c3e5f4ad53312e68f24841772a9d7cc65e969a56');
  });

  it('follow from seed and index alone, in any order', async () => {
    const options = { seed: 3, cacheFolder: 'unused' };
    const [one, other] = await Promise.all([
      openDataset('synthetic', options),
      openDataset('synthetic', options),
    ]);
    const indices = [59_999, 7, 0, 7];
    const a = new Uint8Array(indices.length * IMAGE);
    const b = new Uint8Array(indices.length * IMAGE);
    other.gather([0, 1, 2, 3], b);
    one.gather(indices, a);
    other.gather(Uint32Array.from(indices), b);
    expect(Buffer.compare(a, b)).toBe(0);
    expect(one).toMatchObject({ name: 'synthetic digits', count: 60_000, rows: SIDE, columns: SIDE });
  });

  it('are others for another seed, also one beyond 32 bits', () => {
    const seeds = [0, 1, 2 ** 32, 2 ** 53 - 1];
    const images = seeds.map((seed) =>
      Buffer.from(drawn(new SyntheticDigits(seed, 10), 0, 10).pixels).toString('hex'),
    );
    expect(new Set(images).size).toBe(seeds.length);
    expect(new Set(seeds.map((seed) => new SyntheticDigits(seed, 10).sha256)).size).toBe(seeds.length);
    expect(new SyntheticDigits(1, 10).sha256).not.toBe(new SyntheticDigits(1, 11).sha256);
  });

  it('look like MNIST in the large: ink, its share of the paper, margins, centre of mass, balance', () => {
    const count = 5_000;
    const { pixels, labels } = drawn(new SyntheticDigits(1, 60_000), 0, count);
    let sum = 0;
    let inked = 0;
    const perDigit = Array<number>(10).fill(0);
    for (let image = 0; image < count; image++) {
      let [mass, massX, massY, brightest, edge] = [0, 0, 0, 0, 0];
      for (let i = 0; i < IMAGE; i++) {
        const value = pixels[image * IMAGE + i] ?? 0;
        const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
        mass += value;
        massX += value * x;
        massY += value * y;
        brightest = Math.max(brightest, value);
        if (value > 0) inked++;
        if (x === 0 || y === 0 || x === SIDE - 1 || y === SIDE - 1) edge = Math.max(edge, value);
      }
      sum += mass;
      expect(brightest).toBeGreaterThan(180);
      expect(edge).toBe(0);
      expect(Math.abs(massX / mass - 13.5)).toBeLessThan(3.5);
      expect(Math.abs(massY / mass - 13.5)).toBeLessThan(3.5);
      const label = labels[image] ?? 0;
      perDigit[label] = (perDigit[label] ?? 0) + 1;
    }
    // MNIST: 0.1307 and 0.191.
    expect(sum / count / IMAGE / 255).toBeGreaterThan(0.115);
    expect(sum / count / IMAGE / 255).toBeLessThan(0.145);
    expect(inked / count / IMAGE).toBeGreaterThan(0.17);
    expect(inked / count / IMAGE).toBeLessThan(0.21);
    for (const found of perDigit) expect(Math.abs(found - count / 10)).toBeLessThan(80); // 3.8 deviations
  });

  it('can be told apart', () => {
    const digits = new SyntheticDigits(1, 60_000);
    expect(recognised(drawn(digits, 0, 2_000), drawn(digits, 2_000, 300))).toBeGreaterThan(0.97);
  });

  it('differ from one another', () => {
    const { pixels } = drawn(new SyntheticDigits(1, 60_000), 0, 300);
    let nearest = Infinity;
    for (let i = 0; i < 300; i++) {
      for (let k = 0; k < i; k++) nearest = Math.min(nearest, distance(pixels, i * IMAGE, pixels, k * IMAGE));
    }
    expect(nearest).toBeGreaterThan(10_000);
  });

  const mnistFolder = process.env['MNIST_DIR'];
  // Pixel by pixel, the crudest of readers: it takes one of its own 8s for a 3 as well.
  it.skipIf(mnistFolder === undefined)(
    'are mostly named right by who knows only MNIST (needs MNIST_DIR)',
    async () => {
      const [images, labels] = await Promise.all([
        readIdx(join(mnistFolder ?? '', 'train-images-idx3-ubyte.gz')),
        readIdx(join(mnistFolder ?? '', 'train-labels-idx1-ubyte.gz')),
      ]);
      const known = { pixels: images.data, labels: labels.data.subarray(0, 5_000) };
      expect(recognised(known, drawn(new SyntheticDigits(1, 60_000), 0, 300))).toBeGreaterThan(0.8);
    },
  );
});
