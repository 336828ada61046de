import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seededImages, seededNoise } from '../../../deploy/generator/index.js';

const NOISE_SIZE = 5;

/** Makes an image of its noise itself. */
const mirror = {
  noiseSize: NOISE_SIZE,
  generate: (noise: Float32Array) => Promise.resolve(noise.map(Math.tanh)),
};

async function all(seed: number, count: number): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = [];
  for await (const block of seededImages(mirror, { seed, count })) blocks.push(block);
  return blocks;
}

it('gives each image noise of its own, whatever else is asked for', () => {
  const seeds = fc.oneof(fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER));
  fc.assert(
    fc.property(
      seeds,
      fc.nat(300),
      fc.integer({ min: 1, max: 60 }),
      fc.nat(40),
      (seed, first, count, skip) => {
        const range = seededNoise(NOISE_SIZE, { seed, first, count });
        const later = seededNoise(NOISE_SIZE, { seed, first: first + skip, count });
        const shared = Math.max(0, count - skip) * NOISE_SIZE;
        expect(later.slice(0, shared)).toEqual(range.slice(range.length - shared));
      },
    ),
  );
});

it('gives images and seeds different noise, standard normal', () => {
  const count = 4_000;
  const noise = seededNoise(NOISE_SIZE, { seed: 1, count });
  const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
  const variance = noise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / noise.length;
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  const other = seededNoise(NOISE_SIZE, { seed: 2, count });
  expect(new Set([...noise, ...other]).size).toBeGreaterThan(1.99 * noise.length);
});

it.each([1, 1023, 1024, 1025, 2500])(
  'makes %i images, in blocks, the same as fewer of them',
  async (count) => {
    const blocks = await all(3, count);
    const images = Buffer.concat(blocks);
    expect(images.length).toBe(count * NOISE_SIZE);
    expect(blocks.every((block) => block.length <= 1024 * NOISE_SIZE)).toBe(true);
    const noise = seededNoise(NOISE_SIZE, { seed: 3, count });
    const expected = Uint8Array.from(noise, (value) => Math.round((Math.tanh(value) + 1) * 127.5));
    expect(images.equals(expected)).toBe(true);
  },
);
