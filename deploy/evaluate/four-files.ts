import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  MNIST_FILES,
  findPart,
  loadMnist,
  progressLines,
  readDataFile,
  type IdxArray,
  type MnistPart,
} from '../../coordinator/dataset/index.js';
import { UsageError } from '../../proto/index.js';
import { fileSystemWords } from '../generator/index.js';

export interface FourFilesOptions {
  readonly cacheFolder: string;
  readonly signal?: AbortSignal | undefined;
  /** Called with lines fit to show a user, while something is downloaded. */
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly mirrors?: readonly string[] | undefined;
}

/** Images and labels of MNIST's training and test set, or of others with the same names. */
export type FourFiles = Readonly<Record<MnistPart, IdxArray>>;

async function four(load: (part: MnistPart) => Promise<IdxArray>): Promise<FourFiles> {
  return {
    'train-images': await load('train-images'),
    'train-labels': await load('train-labels'),
    'test-images': await load('test-images'),
    'test-labels': await load('test-labels'),
  };
}

/** MNIST from the cache or a mirror. Throws OperationalError('dataset'), OperationalError('aborted'). */
export function mnistFiles({
  cacheFolder,
  signal,
  onProgress,
  mirrors,
}: FourFilesOptions): Promise<FourFiles> {
  const lines = onProgress && progressLines(onProgress);
  return four((part) => loadMnist(part, { cacheFolder, signal, mirrors, onProgress: lines }));
}

/** The four files of a folder, plain or .gz. Throws UsageError. */
export async function folderFiles(folder: string): Promise<FourFiles> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw new UsageError(
      `--data: ${folder} ${fileSystemWords(error)}; mnist or a folder with the four files of MNIST was expected`,
      { cause: error },
    );
  }
  return four(async (part) => {
    const { name } = MNIST_FILES[part];
    const found = findPart(part, names);
    if (found === undefined)
      throw new UsageError(
        `--data: ${folder}: ${name} or ${name}.gz was expected beside the other three files of MNIST`,
      );
    return readDataFile(join(folder, found));
  });
}
