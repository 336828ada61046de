import { decode } from 'fast-png';
import { decompressFrames, parseGIF } from 'gifuct-js';
import { describe, expect, it } from 'vitest';
import { parseIdx } from '../../../coordinator/dataset/index.js';
import {
  gridPicture,
  gifPicture,
  idxContent,
  singlePictures,
  stripPicture,
} from '../../../deploy/generate/pictures.js';
import { seededImages, seededNoise } from '../../../deploy/generator/index.js';
import { toPixels } from '../../../worker/export/index.js';

const SIDE = 6;
const IMAGE_SIZE = SIDE * SIDE;
const GAP = 4;
const BACKGROUND = 32;

/** An image is its noise, squashed. */
const generator = {
  noiseSize: IMAGE_SIZE,
  imageSize: IMAGE_SIZE,
  generate: (noise: Float32Array) => Promise.resolve(noise.map(Math.tanh)),
};
const source = { generator, seed: 4 };

async function imagesOf(seed: number, count: number): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  for await (const block of seededImages(generator, { seed, count })) blocks.push(block);
  return Buffer.concat(blocks);
}

interface Picture {
  readonly width: number;
  readonly height: number;
  /** Grey, [height x width]. */
  readonly pixels: ArrayLike<number>;
}

function decodedPng(bytes: Uint8Array): Picture {
  const { width, height, data, channels, depth } = decode(bytes);
  expect({ channels, depth }).toEqual({ channels: 1, depth: 8 });
  return { width, height, pixels: data };
}

/** The image in a cell of a picture, read back from its enlarged pixels; each of those has to be the same. */
function cell({ width, pixels }: Picture, column: number, row: number, scale: number): Uint8Array {
  const image = new Uint8Array(IMAGE_SIZE);
  const pitch = SIDE * scale + GAP;
  for (let y = 0; y < SIDE * scale; y++)
    for (let x = 0; x < SIDE * scale; x++) {
      const value = pixels[(GAP + row * pitch + y) * width + GAP + column * pitch + x] ?? -1;
      const at = Math.floor(y / scale) * SIDE + Math.floor(x / scale);
      if (x % scale === 0 && y % scale === 0) image[at] = value;
      expect(value).toBe(image[at]);
    }
  return image;
}

const imageAt = (images: Uint8Array, index: number): Uint8Array =>
  Uint8Array.from(images.subarray(index * IMAGE_SIZE, (index + 1) * IMAGE_SIZE));

describe('pictures', () => {
  it('show images of a seed in a grid, as square as it gets', async () => {
    const picture = decodedPng(await gridPicture(source, 7));
    const scale = 8;
    const pitch = SIDE * scale + GAP;
    expect(picture).toMatchObject({ width: 3 * pitch + GAP, height: 3 * pitch + GAP });
    const images = await imagesOf(4, 7);
    for (let i = 0; i < 7; i++)
      expect(cell(picture, i % 3, Math.floor(i / 3), scale)).toEqual(imageAt(images, i));
    expect(new Set(cell(picture, 1, 2, scale))).toEqual(new Set([BACKGROUND]));
    expect(picture.pixels[0]).toBe(BACKGROUND);
  });

  it('enlarge less where there is less room', async () => {
    const { width } = decodedPng(await gridPicture(source, 2_500));
    expect(width).toBe(50 * (SIDE * 3 + GAP) + GAP);
  });

  it('show in a strip how each image changes, from left to right', async () => {
    const frames = 5;
    const product = { kind: 'strip', count: 2, toSeed: 9, frames } as const;
    const picture = decodedPng(await stripPicture(source, product));
    const [from, to] = [await imagesOf(4, 2), await imagesOf(9, 2)];
    for (const row of [0, 1]) {
      expect(cell(picture, 0, row, 8)).toEqual(imageAt(from, row));
      expect(cell(picture, frames - 1, row, 8)).toEqual(imageAt(to, row));
      const changes = Array.from({ length: frames }, (_, column) => cell(picture, column, row, 8).join());
      expect(new Set(changes).size).toBe(frames);
    }
  });

  it('of a GIF are its frames, the ends shown for longer', async () => {
    const frames = 6;
    const product = { kind: 'gif', count: 3, toSeed: 9, frames } as const;
    const bytes = await gifPicture(source, product);
    const gif = parseGIF(Uint8Array.from(bytes).buffer);
    const decoded = decompressFrames(gif, false);
    const { width, height } = gif.lsd;
    const found = decoded.map(({ pixels, colorTable }): Picture => {
      return { width, height, pixels: pixels.map((index) => colorTable[index]?.[0] ?? -1) };
    });
    expect(decoded.map(({ delay }) => delay)).toEqual([1_000, 50, 50, 50, 50, 1_000]);
    const [from, to] = [await imagesOf(4, 3), await imagesOf(9, 3)];
    // 64 shades of grey are told apart.
    const near = (image: Uint8Array, expected: Uint8Array): void => {
      for (const [i, value] of image.entries())
        expect(Math.abs(value - (expected[i] ?? 0))).toBeLessThanOrEqual(3);
    };
    for (const [index, [column, row]] of (
      [
        [0, 0],
        [1, 0],
        [0, 1],
      ] as const
    ).entries()) {
      near(cell(found[0] as Picture, column, row, 8), imageAt(from, index));
      near(cell(found.at(-1) as Picture, column, row, 8), imageAt(to, index));
    }
    expect(new Set(found.map(({ pixels }) => Array.from(pixels).join())).size).toBe(frames);
  });

  it('of one each have its pixels and nothing else, and names by number', async () => {
    const images = await imagesOf(4, 3);
    const names: string[] = [];
    for await (const { name, bytes } of singlePictures(source, 3)) {
      const { width, height, pixels } = decodedPng(bytes);
      expect([width, height]).toEqual([SIDE, SIDE]);
      expect(Uint8Array.from(pixels)).toEqual(imageAt(images, names.length));
      names.push(name);
    }
    expect(names).toEqual(['image-000001.png', 'image-000002.png', 'image-000003.png']);
  });

  it('are an IDX file where they are wanted raw', async () => {
    const pieces: Uint8Array[] = [];
    for await (const piece of idxContent(source, 1_500)) pieces.push(piece);
    const { dimensions, data } = parseIdx(Buffer.concat(pieces), 'a.idx');
    expect(dimensions).toEqual([1_500, SIDE, SIDE]);
    expect(Buffer.from(data).equals(await imagesOf(4, 1_500))).toBe(true);
  });

  it('begin with the noise of the one seed', async () => {
    const noise = seededNoise(IMAGE_SIZE, { seed: 4, count: 1 });
    expect(imageAt(await imagesOf(4, 1), 0)).toEqual(toPixels(noise.map(Math.tanh)));
  });

  it('that would be too large are refused before anything is made', async () => {
    const idle = { ...generator, generate: () => Promise.reject(new Error('not to be called')) };
    await expect(gridPicture({ generator: idle, seed: 1 }, 1_000_000)).rejects.toThrow(
      '--count: a picture of 10004 x 10004 pixels would be too large',
    );
    const product = { kind: 'gif', count: 1_000_000, toSeed: 2, frames: 2 } as const;
    await expect(gifPicture({ generator: idle, seed: 1 }, product)).rejects.toThrow('would be too large');
  });
});
