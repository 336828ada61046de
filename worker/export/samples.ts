import { invariant, sizedLayers } from '../../proto/index.js';
import type { RunSpec } from '../../proto/index.js';
import { fillNormal } from '../../proto/random.js';

/** Images of a 5 x 5 grid. */
const SAMPLE_COUNT = 25;
/** IDX: two zero bytes, the type (8: uint8), the number of dimensions, each dimension as a big-endian uint32. */
const IDX3_UBYTE = 0x0803;
const HEADER_BYTES = 16;

/** Images [n, imageSize] in [-1, 1], from noise [n, noiseSize]. */
export type Generate = (noise: Float32Array) => Promise<Float32Array>;

/** The run's fixed noise [25, noiseSize]. */
export function sampleNoise(spec: RunSpec): Float32Array {
  const noise = new Float32Array(SAMPLE_COUNT * spec.model.generator.inputSize);
  fillNormal(noise, { seed: spec.seed, stream: 'samples' });
  return noise;
}

/**
 * 25 images that `generate` makes from the run's fixed noise, uint8 [25, imageSize], 0 black: the same noise at every step, so
 * that pictures from one run can be laid over each other.
 */
export async function sampleImages(spec: RunSpec, generate: Generate): Promise<Uint8Array<ArrayBuffer>> {
  const images = await generate(sampleNoise(spec));
  invariant(images.length === SAMPLE_COUNT * imageSizeOf(spec), 'one image for each row of noise');
  return toPixels(images);
}

/** The same as an IDX file. */
export async function sampleImagesIdx(spec: RunSpec, generate: Generate): Promise<Uint8Array> {
  const side = Math.sqrt(imageSizeOf(spec));
  invariant(Number.isInteger(side), `images are square: ${side} x ${side} pixels`);
  const images = await sampleImages(spec, generate);
  const bytes = new Uint8Array(HEADER_BYTES + images.length);
  const header = new DataView(bytes.buffer);
  [IDX3_UBYTE, SAMPLE_COUNT, side, side].forEach((word, i) => header.setUint32(4 * i, word, false));
  bytes.set(images, HEADER_BYTES);
  return bytes;
}

/** Values in [-1, 1] as uint8, 0 black; what is beyond them is black or white. */
export const toPixels = (images: Float32Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Uint8ClampedArray.from(images, pixel).buffer);

const imageSizeOf = (spec: RunSpec): number => sizedLayers(spec.model.generator).at(-1)?.outputSize ?? 0;

/** Back from [-1, 1] to 0 .. 255, before clamping. */
const pixel = (value: number): number => Math.round((value + 1) * 127.5);
