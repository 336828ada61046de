import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  loadMnist,
  progressLines,
  readIdx,
  type IdxArray,
  type MnistPart,
} from '../../coordinator/dataset/index.js';
import { OperationalError, UsageError } from '../../proto/index.js';
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

/** As published, less the extension; the hyphen before `idx` is a dot in some copies. */
export const FILE_NAMES: Readonly<Record<MnistPart, string>> = {
  'train-images': 'train-images-idx3-ubyte',
  'train-labels': 'train-labels-idx1-ubyte',
  'test-images': 't10k-images-idx3-ubyte',
  'test-labels': 't10k-labels-idx1-ubyte',
};

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
    const base = FILE_NAMES[part];
    const candidates = [base, base.replace('-idx', '.idx')].flatMap((name) => [name, `${name}.gz`]);
    const name = candidates.find((candidate) => names.includes(candidate));
    if (name === undefined)
      throw new UsageError(
        `--data: ${folder}: ${base} or ${base}.gz was expected beside the other three files of MNIST`,
      );
    try {
      return await readIdx(join(folder, name));
    } catch (error) {
      if (error instanceof OperationalError)
        throw new UsageError(`--data: ${error.message}`, { cause: error });
      throw error;
    }
  });
}
