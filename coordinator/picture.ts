import { PNG } from 'pngjs';

/** Pixels between two images and round the picture. */
export const GAP = 4;

export interface GridOptions {
  readonly columns: number;
  readonly imageWidth: number;
  readonly imageHeight: number;
  /** Each image pixel becomes scale x scale pixels. */
  readonly scale: number;
}

/**
 * A grey PNG of images in rows. The same images give the same bytes.
 * @param images uint8 [n, imageHeight x imageWidth], 0 black
 */
export function gridPng(images: Uint8Array, options: GridOptions): Uint8Array {
  const { columns, imageWidth, imageHeight, scale } = options;
  const imageSize = imageWidth * imageHeight;
  const count = Math.floor(images.length / imageSize);
  const rows = Math.ceil(count / columns);
  const cellWidth = imageWidth * scale + GAP;
  const cellHeight = imageHeight * scale + GAP;
  const width = columns * cellWidth + GAP;
  const height = rows * cellHeight + GAP;
  const grey = Buffer.alloc(width * height, 32);
  for (let n = 0; n < count; n++) {
    const left = GAP + (n % columns) * cellWidth;
    const top = GAP + Math.floor(n / columns) * cellHeight;
    for (let y = 0; y < imageHeight * scale; y++) {
      const source = n * imageSize + Math.floor(y / scale) * imageWidth;
      const target = (top + y) * width + left;
      for (let x = 0; x < imageWidth * scale; x++)
        grey[target + x] = images[source + Math.floor(x / scale)] ?? 0;
    }
  }
  return greyPng(grey, width, height);
}

/**
 * A grey PNG. The same pixels give the same bytes.
 * @param pixels uint8 [height x width], 0 black
 */
export function greyPng(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const png = new PNG({ width, height, colorType: 0, inputColorType: 0, bitDepth: 8, inputHasAlpha: false });
  png.data = Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  return PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false });
}
