import { encodeIdx } from '../../coordinator/dataset/index.js';
import { greyGif, greyPng, gridPng } from '../../coordinator/samples/index.js';
import { toPixels } from '../../worker/export/index.js';
import { allSeededImages, seededImages, seededNoise, type Generator } from '../generator/index.js';
import { between } from './interpolation.js';
import { layout, squareColumns } from './layout.js';
import type { Interpolation } from './request.js';
import type { FolderEntry } from './whole-folder.js';

/** What makes the images, and the seed of the first. */
export interface Source {
  readonly generator: Pick<Generator, 'noiseSize' | 'imageSize' | 'generate'>;
  readonly seed: number;
}

const PNG_WIDTH = 1_200;
/** Less, since noise hardly compresses: 25 images stay below some megabytes. */
const GIF_WIDTH = 600;
const FRAME_MS = 50;
/** The first and the last frame are looked at for longer. */
const END_MS = 1_000;
/** Of grey, as bits: what GIF can hold is not told from this by eye. */
const SHADE_BITS = 6;
const NAME_DIGITS = 6;

/** `count` images in one PNG, as square as it gets. */
export async function gridPicture({ generator, seed }: Source, count: number): Promise<Uint8Array> {
  const grid = layout(count, squareColumns(count), generator.imageSize, PNG_WIDTH);
  return gridPng(await allSeededImages(generator, { seed, count }), grid);
}

/** A PNG with a row for each image, from its first frame on the left to its last on the right. */
export async function stripPicture(source: Source, product: Interpolation): Promise<Uint8Array> {
  const { imageSize } = source.generator;
  const { count, frames } = product;
  const grid = layout(count * frames, frames, imageSize, PNG_WIDTH);
  const images = new Uint8Array(count * frames * imageSize);
  let column = 0;
  for await (const frame of interpolated(source, product)) {
    for (let row = 0; row < count; row++) {
      const image = frame.subarray(row * imageSize, (row + 1) * imageSize);
      images.set(image, (row * frames + column) * imageSize);
    }
    column++;
  }
  return gridPng(images, grid);
}

/** A GIF whose frames are grids of all images, 20 a second, that is played for ever. */
export async function gifPicture(source: Source, product: Interpolation): Promise<Uint8Array> {
  const { count, frames } = product;
  const grid = layout(count, squareColumns(count), source.generator.imageSize, GIF_WIDTH);
  async function* numbered() {
    let index = 0;
    for await (const images of interpolated(source, product)) yield { index: index++, images };
  }
  return greyGif(numbered(), grid, {
    shadeBits: SHADE_BITS,
    delayMs: ({ index }) => (index === 0 || index === frames - 1 ? END_MS : FRAME_MS),
  });
}

/** Content of an IDX file: uint8 [count, side, side], 0 black. */
export async function* idxContent({ generator, seed }: Source, count: number): AsyncGenerator<Uint8Array> {
  const side = Math.sqrt(generator.imageSize);
  yield encodeIdx({ dimensions: [count, side, side], data: new Uint8Array() });
  yield* seededImages(generator, { seed, count });
}

/** Every image as a PNG of its own, without a frame, called by its number from 1. */
export async function* singlePictures(
  { generator, seed }: Source,
  count: number,
): AsyncGenerator<FolderEntry> {
  const { imageSize } = generator;
  const side = Math.sqrt(imageSize);
  let number = 1;
  for await (const block of seededImages(generator, { seed, count })) {
    for (let start = 0; start < block.length; start += imageSize) {
      const bytes = greyPng(block.subarray(start, start + imageSize), side, side);
      yield { name: pictureName(number++), bytes };
    }
  }
}

export const pictureName = (number: number): string =>
  `image-${String(number).padStart(NAME_DIGITS, '0')}.png`;

/** uint8 [count, imageSize] for each frame, from the images of the one seed to those of the other. */
async function* interpolated(
  { generator, seed }: Source,
  { count, toSeed, frames }: Interpolation,
): AsyncGenerator<Uint8Array> {
  const { noiseSize } = generator;
  const from = seededNoise(noiseSize, { seed, count });
  const to = seededNoise(noiseSize, { seed: toSeed, count });
  for (let frame = 0; frame < frames; frame++)
    yield toPixels(await generator.generate(between(from, to, noiseSize, frame / (frames - 1))));
}
