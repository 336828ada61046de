import { readdir, stat } from 'node:fs/promises';
import { readIdx } from '../../coordinator/dataset/index.js';
import { OperationalError, UsageError } from '../../proto/index.js';
import { allSeededImages, fileSystemWords, openGenerator } from '../generator/index.js';
import { IMAGE_SIZE, SIDE } from './digit-images.js';
import { isPng, readPngs } from './png-folder.js';

/** Of `--count`. */
const MIN_COUNT = 100;
const GENERATOR_FILES = ['generator.onnx', 'model.json', 'generator.safetensors', 'run.json'];
const GENERATOR_ENDING = /\.(onnx|json|safetensors|bin)$/;

/** Where scored images come from. */
export type ImagesOrigin =
  | {
      readonly kind: 'generator';
      readonly path: string;
      readonly format: string;
      readonly sha256: string;
      /** Of the noise. */
      readonly seed: number;
      /** What the file says of itself. */
      readonly provenance: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'idx' | 'png';
      readonly path: string;
      /** Images that are there; the first ones are scored. */
      readonly available: number;
    };

export interface ScoredImages {
  readonly origin: ImagesOrigin;
  readonly images: Uint8Array; // [count, 784], 0 black
}

export interface ScoredImagesOptions {
  readonly count: number;
  readonly seed: number;
  /** Awaited now and then; what it throws ends the work. */
  readonly onWork: (done: number, total: number) => Promise<void>;
}

/**
 * The images to be scored: made by a generator from noise of `seed`, or the first `count` of an IDX file or of a folder's
 * PNG files, in the order of their names.
 * @throws UsageError, one line that begins with the path
 */
export async function openScoredImages(path: string, options: ScoredImagesOptions): Promise<ScoredImages> {
  const found = await stat(path).catch((error: unknown) => {
    throw new UsageError(
      `${path} ${fileSystemWords(error)}; a generator's file, a run's folder, an IDX file or a folder of PNG images was expected`,
      { cause: error },
    );
  });
  if (!found.isDirectory()) {
    if (GENERATOR_ENDING.test(path)) return generated(path, options);
    if (isPng(path))
      throw new UsageError(`${path} is one image; a folder of at least ${options.count} was expected`);
    return fromIdx(path, options);
  }
  const names = await readdir(path).catch((error: unknown) => {
    throw new UsageError(`${path} ${fileSystemWords(error)}`, { cause: error });
  });
  if (GENERATOR_FILES.some((name) => names.includes(name))) return generated(path, options);
  const pngs = names.filter(isPng).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  if (pngs.length === 0)
    throw new UsageError(
      `${path} holds neither a generator (generator.onnx, model.json or generator.safetensors) nor PNG images`,
    );
  enough(path, pngs.length, options.count);
  let done = 0;
  const images = await readPngs(path, pngs.slice(0, options.count), async (more) => {
    done += more;
    await options.onWork(done, options.count);
  });
  return { origin: { kind: 'png', path, available: pngs.length }, images };
}

function enough(path: string, available: number, count: number): void {
  if (available >= count) return;
  const instead =
    available < MIN_COUNT
      ? `${MIN_COUNT} is the least that can be scored`
      : `--count ${available} scores what is there, to be compared with scores of as many only`;
  throw new UsageError(`${path} holds ${available} images; ${count} were expected: ${instead}`);
}

async function fromIdx(path: string, { count }: ScoredImagesOptions): Promise<ScoredImages> {
  const { dimensions, data } = await readIdx(path).catch((error: unknown) => {
    if (error instanceof OperationalError) throw new UsageError(error.message, { cause: error });
    throw error;
  });
  const [available = 0, rows, columns] = dimensions;
  if (dimensions.length !== 3 || rows !== SIDE || columns !== SIDE)
    throw new UsageError(
      `${path} holds ${dimensions.join(' x ')} bytes; images x ${SIDE} x ${SIDE} were expected`,
    );
  enough(path, available, count);
  return { origin: { kind: 'idx', path, available }, images: data.subarray(0, count * IMAGE_SIZE) };
}

async function generated(path: string, { count, seed, onWork }: ScoredImagesOptions): Promise<ScoredImages> {
  const generator = await openGenerator(path);
  try {
    const { imageSize, format, sha256, provenance } = generator;
    if (imageSize !== IMAGE_SIZE)
      throw new UsageError(
        `${generator.path} makes images of ${imageSize} pixels; ${IMAGE_SIZE} (${SIDE} x ${SIDE}) were expected`,
      );
    const images = await allSeededImages(generator, { seed, count }, (done) => onWork(done, count));
    return {
      origin: { kind: 'generator', path: generator.path, format, sha256, seed, provenance },
      images,
    };
  } finally {
    await generator.close();
  }
}
