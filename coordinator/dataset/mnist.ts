import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  loadPublishedFile,
  type CheckedArray,
  type FetchOptions,
  type PublishedFile,
} from './published-file.js';

export const MNIST_FILES = {
  'train-images': {
    name: 'train-images-idx3-ubyte',
    words: "MNIST's training images",
    bytes: 47_040_016,
    md5: '6bbc9ace898e44ae57da46a324031adb',
    sha256: '741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757',
  },
  'train-labels': {
    name: 'train-labels-idx1-ubyte',
    words: "MNIST's training labels",
    bytes: 60_008,
    md5: 'a25bea736e30d166cdddb491f175f624',
    sha256: '1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13',
  },
  'test-images': {
    name: 't10k-images-idx3-ubyte',
    words: "MNIST's test images",
    bytes: 7_840_016,
    md5: '2646ac647ad5339dbf082846283269ea',
    sha256: '6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161',
  },
  'test-labels': {
    name: 't10k-labels-idx1-ubyte',
    words: "MNIST's test labels",
    bytes: 10_008,
    md5: '27ae3e4e09519cfbb04c329615203637',
    sha256: 'ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5',
  },
} as const satisfies Record<string, PublishedFile>;

export type MnistPart = keyof typeof MNIST_FILES;

/** Public copies of the four gzip-compressed files, tried in this order. */
export const MNIST_MIRRORS: readonly string[] = [
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
  'https://systemds.apache.org/assets/datasets/mnist/',
  'https://raw.githubusercontent.com/fgnt/mnist/master/',
];

export interface MnistOptions extends Omit<FetchOptions, 'mirrors'> {
  readonly cacheFolder: string;
  readonly mirrors?: readonly string[] | undefined;
}

/** Whether the training images need no download any more. */
export const isMnistCached = (cacheFolder: string): boolean =>
  existsSync(join(cacheFolder, 'mnist', MNIST_FILES['train-images'].name));

/**
 * One of MNIST's four files, from the cache, else from the first mirror that has it whole. Throws
 * OperationalError('dataset') with one line that names all that was tried, or OperationalError('aborted').
 */
export function loadMnist(part: MnistPart, options: MnistOptions): Promise<CheckedArray> {
  const folder = join(options.cacheFolder, 'mnist');
  return loadPublishedFile(MNIST_FILES[part], folder, {
    ...options,
    mirrors: options.mirrors ?? MNIST_MIRRORS,
  });
}
