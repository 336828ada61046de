import { PNG } from 'pngjs';
import { GAP, type GridOptions } from '../picture.js';

/** How a sample's images are laid out in its picture. */
export interface SampleGrid extends GridOptions {
  /** Images in a sample. */
  readonly count: number;
}

/** The images drawn after `step` steps: uint8 [count, imageHeight x imageWidth], 0 black. */
export interface SampleFrame {
  readonly step: number;
  readonly images: Uint8Array;
}

/** Bytes of a sample. */
export const sampleBytes = ({ count, imageWidth, imageHeight }: SampleGrid): number =>
  count * imageWidth * imageHeight;

export interface GridSize {
  readonly width: number;
  readonly height: number;
}

export function gridSize({ count, columns, imageWidth, imageHeight, scale }: SampleGrid): GridSize {
  return {
    width: columns * (imageWidth * scale + GAP) + GAP,
    height: Math.ceil(count / columns) * (imageHeight * scale + GAP) + GAP,
  };
}

/** Where image n's top left pixel is. */
function corner(n: number, { columns, imageWidth, imageHeight, scale }: SampleGrid): [number, number] {
  return [
    GAP + (n % columns) * (imageWidth * scale + GAP),
    GAP + Math.floor(n / columns) * (imageHeight * scale + GAP),
  ];
}

/**
 * One byte a pixel of the picture of a sample.
 * @param images uint8 [count, imageHeight x imageWidth]
 * @param byteOf what a pixel of an image becomes
 * @param background what lies between the images
 */
export function drawGrid(
  images: Uint8Array,
  grid: SampleGrid,
  byteOf: Uint8Array,
  background: number,
): Uint8Array {
  const { count, imageWidth, imageHeight, scale } = grid;
  const { width, height } = gridSize(grid);
  const picture = new Uint8Array(width * height).fill(background);
  let source = 0;
  for (let n = 0; n < count; n++) {
    const [left, top] = corner(n, grid);
    for (let y = 0; y < imageHeight; y++) {
      const target = (top + y * scale) * width + left;
      for (let x = 0; x < imageWidth; x++) {
        const at = target + x * scale;
        picture.fill(byteOf[images[source++] ?? 0] ?? 0, at, at + scale);
      }
      for (let copy = 1; copy < scale; copy++)
        picture.copyWithin(target + copy * width, target, target + imageWidth * scale);
    }
  }
  return picture;
}

/** The signature, then the length and the type of the first chunk; width and height follow. */
const PNG_WIDTH_OFFSET = 16;
const PNG_HEIGHT_OFFSET = 20;
const PNG_HEAD_BYTES = 24;

/**
 * The images of a picture that `gridPng` has drawn.
 * @returns uint8 [count, imageHeight x imageWidth]
 * @throws Error when the file is damaged or is a picture of another size; nothing of it is decompressed then.
 */
export function readGrid(file: Uint8Array, grid: SampleGrid): Uint8Array {
  const expected = gridSize(grid);
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const isWhole = bytes.length >= PNG_HEAD_BYTES;
  const width = isWhole ? bytes.readUInt32BE(PNG_WIDTH_OFFSET) : 0;
  const height = isWhole ? bytes.readUInt32BE(PNG_HEIGHT_OFFSET) : 0;
  if (width !== expected.width || height !== expected.height) {
    throw new Error(
      `a picture of ${expected.width} x ${expected.height} pixels was expected, found ${width} x ${height}`,
    );
  }
  const { data } = PNG.sync.read(bytes); // [height, width, RGBA]
  const { count, imageWidth, imageHeight, scale } = grid;
  const images = new Uint8Array(sampleBytes(grid));
  let target = 0;
  for (let n = 0; n < count; n++) {
    const [left, top] = corner(n, grid);
    for (let y = 0; y < imageHeight; y++)
      for (let x = 0; x < imageWidth; x++)
        images[target++] = data[((top + y * scale) * width + left + x * scale) * 4] ?? 0;
  }
  return images;
}
