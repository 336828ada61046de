import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { OperationalError, UsageError } from '../../proto/index.js';
import { sha256Of } from '../../proto/runtime/sha256.js';
import { ArrayDataset, type Dataset } from './dataset.js';
import { readIdx, type IdxArray } from './idx.js';
import { MNIST_FILES, type MnistPart } from './mnist.js';

const TRAINING_IMAGES = MNIST_FILES['train-images'].name;

/** Both networks of the tutorial take images of this size. */
const SIDE = 28;
/** Longest name that a RunSpec holds. */
const MAX_NAME_LENGTH = 256;

/**
 * The training images of a folder. It is called MNIST when it holds MNIST's training images, else by the folder's own
 * name, not its path, so that a folder that was moved gives the same RunSpec. Throws UsageError with one line.
 */
export async function openImagesFolder(folder: string): Promise<Dataset> {
  const path = await imagesFile(folder);
  const images = await readDataFile(path);
  const [count, rows, columns] = images.dimensions;
  if (images.dimensions.length !== 3 || count === 0 || rows !== SIDE || columns !== SIDE) {
    throw new UsageError(
      `--data: ${path} holds ${images.dimensions.join(' x ')} bytes; images x ${SIDE} x ${SIDE} were expected`,
    );
  }
  const sha256 = sha256Of(images.data);
  const isMnist = sha256 === MNIST_FILES['train-images'].sha256;
  const name = isMnist ? 'MNIST' : basename(resolve(folder)).slice(0, MAX_NAME_LENGTH) || 'images';
  return new ArrayDataset(name, images, sha256);
}

async function imagesFile(folder: string): Promise<string> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    const words =
      code === 'ENOENT'
        ? 'no such folder'
        : code === 'ENOTDIR'
          ? 'it is not a folder'
          : `it cannot be read (${code})`;
    throw new UsageError(
      `--data: ${folder}: ${words}; mnist, synthetic or a folder that holds ${TRAINING_IMAGES}(.gz) was expected`,
    );
  }
  const name = findPart('train-images', names);
  if (name !== undefined) return join(folder, name);
  const found =
    names.length === 0 ? 'it is empty' : `found ${names.length} other file${names.length === 1 ? '' : 's'}`;
  throw new UsageError(
    `--data: ${folder}: ${TRAINING_IMAGES} or ${TRAINING_IMAGES}.gz was expected, ${found}`,
  );
}

/**
 * Which of a folder's files is one of MNIST's four, under the names that are found in the wild; plain before .gz, which
 * takes longer to read.
 */
export function findPart(part: MnistPart, names: readonly string[]): string | undefined {
  const { name } = MNIST_FILES[part];
  const plain = [name, name.replace('-idx', '.idx')];
  return [...plain, ...plain.map((found) => `${found}.gz`)].find((candidate) => names.includes(candidate));
}

/** An IDX file that a user named by `--data`. Throws UsageError, in one line, for one that is none. */
export async function readDataFile(path: string): Promise<IdxArray> {
  try {
    return await readIdx(path);
  } catch (error) {
    if (error instanceof OperationalError) throw new UsageError(`--data: ${error.message}`, { cause: error });
    throw error;
  }
}
