import { fillNormal } from '../../proto/random.js';
import { toPixels } from '../../worker/export/index.js';
import type { Generator } from './generator.js';

/** Images made at once. */
const BLOCK = 1024;

export interface ImageRange {
  readonly seed: number;
  /** Number of the first image, from 0. */
  readonly first?: number;
  readonly count: number;
}

/**
 * Noise of the images of a seed, standard normal. Image i has its own: it depends on the seed and on i, not on how many
 * others are asked for.
 * @returns [count, noiseSize]
 */
export function seededNoise(noiseSize: number, { seed, first = 0, count }: ImageRange): Float32Array {
  const noise = new Float32Array(count * noiseSize);
  for (let row = 0; row < count; row++) {
    const key = { seed, stream: 'generate', step: first + row } as const;
    fillNormal(noise.subarray(row * noiseSize, (row + 1) * noiseSize), key);
  }
  return noise;
}

/**
 * The first `count` images of a seed, uint8 [up to 1,024, imageSize] at a time, 0 black. Others get their turn while they
 * are made. Rejects with what `generate` rejects with.
 */
export async function* seededImages(
  generator: Pick<Generator, 'noiseSize' | 'generate'>,
  { seed, count }: Omit<ImageRange, 'first'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let first = 0; first < count; first += BLOCK) {
    const range = { seed, first, count: Math.min(BLOCK, count - first) };
    yield toPixels(await generator.generate(seededNoise(generator.noiseSize, range)));
  }
}

/**
 * The same in one piece, uint8 [count, imageSize].
 * @param onBlock awaited after each block with the number of images that are there; what it throws ends the work
 */
export async function allSeededImages(
  generator: Pick<Generator, 'noiseSize' | 'imageSize' | 'generate'>,
  range: Omit<ImageRange, 'first'>,
  onBlock?: (done: number) => Promise<void>,
): Promise<Uint8Array> {
  const images = new Uint8Array(range.count * generator.imageSize);
  let bytes = 0;
  for await (const block of seededImages(generator, range)) {
    images.set(block, bytes);
    bytes += block.length;
    await onBlock?.(bytes / generator.imageSize);
  }
  return images;
}
