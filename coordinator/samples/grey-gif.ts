import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import type { Gifenc } from 'gifenc';
import { drawGrid, gridSize, type SampleGrid } from './sample-grid.js';

/** Required, because loaders do not agree on what the default import of this CommonJS module is. */
const gifenc = createRequire(import.meta.url)('gifenc') as Gifenc;

/** The grey between the images, as `gridPng` has it. */
const BACKGROUND = 32;

/** The images of one frame: uint8 [count, imageHeight x imageWidth], 0 black. */
interface GifFrame {
  readonly images: Uint8Array;
}

export interface GifOptions<Frame> {
  /** Of grey, as bits, at most 8: fewer compress better. */
  readonly shadeBits: number;
  /** How long a frame is shown, in milliseconds, of which GIF keeps hundredths of a second. */
  readonly delayMs: (frame: Frame) => number;
  /** No further frame is added when there are more than this. */
  readonly maxBytes?: number;
}

/**
 * A GIF that is played for ever, each frame a grid of images. The same frames give the same bytes. Other work gets its
 * turn after every frame.
 */
export async function greyGif<Frame extends GifFrame>(
  frames: Iterable<Frame> | AsyncIterable<Frame>,
  grid: SampleGrid,
  { shadeBits, delayMs, maxBytes = Infinity }: GifOptions<Frame>,
): Promise<Uint8Array> {
  const { width, height } = gridSize(grid);
  const top = 2 ** shadeBits - 1;
  const shadeOf = Uint8Array.from({ length: 256 }, (_, grey) => Math.round((grey * top) / 255));
  const palette = Array.from({ length: top + 1 }, (_, shade) => {
    const grey = Math.round((shade * 255) / top);
    return [grey, grey, grey] as const;
  });
  const gif = gifenc.GIFEncoder();
  let isFirst = true;
  for await (const frame of frames) {
    gif.writeFrame(drawGrid(frame.images, grid, shadeOf, shadeOf[BACKGROUND] ?? 0), width, height, {
      ...(isFirst ? { palette, repeat: 0 } : {}),
      delay: delayMs(frame),
      colorDepth: shadeBits,
    });
    isFirst = false;
    if (gif.bytesView().length > maxBytes) break;
    await setImmediate();
  }
  gif.finish();
  return gif.bytes();
}
