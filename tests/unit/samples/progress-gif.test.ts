import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { gridPng } from '../../../coordinator/picture.js';
import { progressGif, type SampleFrame, type SampleGrid } from '../../../coordinator/samples/index.js';
import { MAX_GIF_BYTES, pickEvenly } from '../../../coordinator/samples/progress-gif.js';
import { decodeGif, type DecodedGif } from './gif-decoder.js';
import { DIGIT_GRID, ODD_GRID, noise } from './pictures.js';

const samples = (grid: SampleGrid, count: number): SampleFrame[] =>
  Array.from({ length: count }, (_, i) => ({ step: i + 1, images: noise(grid, i) }));

async function gifOf(frames: readonly SampleFrame[], grid: SampleGrid): Promise<DecodedGif> {
  return decodeGif((await progressGif(frames, grid)) ?? new Uint8Array());
}

describe('the progress GIF', () => {
  it('shows the pictures of the samples, in at least 64 shades', async () => {
    const frames = samples(ODD_GRID, 3);
    const gif = await gifOf(frames, ODD_GRID);
    for (const [i, { images }] of frames.entries()) {
      const png = PNG.sync.read(Buffer.from(gridPng(images, ODD_GRID)));
      expect([gif.width, gif.height]).toEqual([png.width, png.height]);
      const pixels = gif.frames[i]?.pixels ?? new Uint8Array();
      const error = pixels.reduce(
        (most, shade, n) => Math.max(most, Math.abs((gif.palette[shade] ?? 0) - (png.data[4 * n] ?? 0))),
        0,
      );
      expect(error).toBeLessThanOrEqual(3);
    }
  });

  it('runs ten a second, rests on the last, and begins again for ever', async () => {
    const gif = await gifOf(samples(ODD_GRID, 4), ODD_GRID);
    expect(gif.frames.map(({ delayMs }) => delayMs)).toEqual([100, 100, 100, 2_000]);
    expect(gif.loops).toBe(0);
    const single = await gifOf(samples(ODD_GRID, 1), ODD_GRID);
    expect(single.frames.map(({ delayMs }) => delayMs)).toEqual([2_000]);
  });

  it('is null without samples', async () => {
    expect(await progressGif([], ODD_GRID)).toBeNull();
  });

  it('takes 100 of many, evenly, with the first and the last', async () => {
    const numbers = Array.from({ length: 199 }, (_, i) => i);
    expect(pickEvenly(numbers, 100)).toEqual(numbers.filter((i) => i % 2 === 0));
    expect(pickEvenly(numbers.slice(0, 150), 100)).toHaveLength(100);
    expect(pickEvenly(numbers, 1)).toEqual([198]);
    const frames = samples(ODD_GRID, 200);
    const gif = await gifOf(frames, ODD_GRID);
    expect(gif.frames).toHaveLength(100);
    const ends = await gifOf([...frames.slice(0, 1), ...frames.slice(-1)], ODD_GRID);
    expect([gif.frames[0]?.pixels, gif.frames[99]?.pixels]).toEqual(ends.frames.map(({ pixels }) => pixels));
  });

  it('is the same bytes for the same samples', async () => {
    const first = await progressGif(samples(ODD_GRID, 9), ODD_GRID);
    expect(await progressGif(samples(ODD_GRID, 9), ODD_GRID)).toEqual(first);
  });

  it('stays within its bytes when all is noise, by being less fine', async () => {
    const bytes = (await progressGif(samples(DIGIT_GRID, 120), DIGIT_GRID)) ?? new Uint8Array();
    expect(bytes.length).toBeLessThanOrEqual(MAX_GIF_BYTES);
    const gif = decodeGif(bytes);
    expect(gif.frames).toHaveLength(100);
    expect(gif.frames.at(-1)?.delayMs).toBe(2_000);
  });

  it('stays within its bytes even where that takes fewer frames', async () => {
    const grid = { count: 25, columns: 5, imageWidth: 120, imageHeight: 120, scale: 1 };
    const bytes = (await progressGif(samples(grid, 24), grid)) ?? new Uint8Array();
    expect(bytes.length).toBeLessThanOrEqual(MAX_GIF_BYTES);
    const { frames } = decodeGif(bytes);
    expect(frames.length).toBeGreaterThan(5);
    expect(frames.length).toBeLessThan(24);
  });
});
