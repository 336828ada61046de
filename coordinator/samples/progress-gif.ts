import { greyGif } from './grey-gif.js';
import type { SampleFrame, SampleGrid } from './sample-grid.js';

const FRAME_MS = 100;
const LAST_FRAME_MS = 2_000;
export const MAX_GIF_FRAMES = 100;
export const MAX_GIF_BYTES = 5_000_000;
const MAX_SCALE = 3;
/** Of grey, as bits. Noise, which is what the first frames are, hardly compresses; fewer shades do. */
const SHADE_BITS = [6, 5, 4] as const;
/** Frames from which the size of all is estimated; each compresses for itself. */
const PROBE_FRAMES = 8;

/** How a GIF is made smaller until it fits. */
interface Quality {
  readonly frames: readonly SampleFrame[];
  readonly grid: SampleGrid;
  readonly shadeBits: number;
}

/**
 * The digits as they grow: a GIF of the samples, ten a second, the last one held for two seconds, for ever. At most
 * MAX_GIF_FRAMES of the samples, evenly chosen, first and last included, and at most MAX_GIF_BYTES: what is larger gets
 * fewer shades of grey, then smaller pictures, then fewer of them. The same samples give the same bytes. Other work gets
 * its turn after every frame.
 * @returns null when there are no samples
 */
export async function progressGif(
  samples: readonly SampleFrame[],
  grid: SampleGrid,
): Promise<Uint8Array | null> {
  let smallest: Quality | null = null;
  for (const quality of qualities(samples, grid)) {
    smallest = quality;
    if (!(await mayFit(quality))) continue;
    const gif = await encode(quality);
    if (gif.length <= MAX_GIF_BYTES) return gif;
  }
  return smallest && encode(smallest);
}

/** From the finest to the smallest. */
function* qualities(samples: readonly SampleFrame[], grid: SampleGrid): Generator<Quality> {
  if (samples.length === 0) return;
  let frames = pickEvenly(samples, MAX_GIF_FRAMES);
  let scale = Math.min(grid.scale, MAX_SCALE);
  const fewestBits = Math.min(...SHADE_BITS);
  for (const shadeBits of SHADE_BITS) yield { frames, grid: { ...grid, scale }, shadeBits };
  while (scale > 1) yield { frames, grid: { ...grid, scale: --scale }, shadeBits: fewestBits };
  while (frames.length > 1) {
    frames = pickEvenly(frames, Math.ceil(frames.length / 2));
    yield { frames, grid: { ...grid, scale }, shadeBits: fewestBits };
  }
}

/** `count` of the items at most, evenly, with the first and the last; of one only the last. */
export function pickEvenly<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  if (count === 1) return items.slice(-1);
  const chosen = new Set<number>();
  for (let i = 0; i < count; i++) chosen.add(Math.round((i * (items.length - 1)) / (count - 1)));
  return items.filter((_, i) => chosen.has(i));
}

/** Whether a GIF is worth the time that it takes to make it. */
async function mayFit(quality: Quality): Promise<boolean> {
  const frames = pickEvenly(quality.frames, PROBE_FRAMES);
  const probe = await encode({ ...quality, frames });
  return (probe.length / frames.length) * quality.frames.length <= MAX_GIF_BYTES;
}

/** Stops early when the GIF has become too large. */
async function encode({ frames, grid, shadeBits }: Quality): Promise<Uint8Array> {
  const last = frames.at(-1);
  return greyGif(frames, grid, {
    shadeBits,
    delayMs: (frame) => (frame === last ? LAST_FRAME_MS : FRAME_MS),
    maxBytes: MAX_GIF_BYTES,
  });
}
