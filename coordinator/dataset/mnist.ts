import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OperationalError, messageOf } from '../../proto/index.js';
import { DownloadError, download, hostOf } from '../../proto/runtime/download.js';
import { removeAbandonedParts, writeWholeFile } from '../../proto/runtime/whole-file.js';
import { readIdx, type IdxArray } from './idx.js';

interface MnistFile {
  readonly name: string;
  readonly words: string;
  /** Of the unzipped file, header included: 47 MB, 60 kB, 7.8 MB and 10 kB. */
  readonly bytes: number;
  /** Of the unzipped file, as published. */
  readonly md5: string;
  /** Of the elements alone, taken from files with that MD5: what a run records as its dataset. */
  readonly sha256: string;
}

export const MNIST_FILES = {
  'train-images': {
    name: 'train-images-idx3-ubyte',
    words: 'training images',
    bytes: 47_040_016,
    md5: '6bbc9ace898e44ae57da46a324031adb',
    sha256: '741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757',
  },
  'train-labels': {
    name: 'train-labels-idx1-ubyte',
    words: 'training labels',
    bytes: 60_008,
    md5: 'a25bea736e30d166cdddb491f175f624',
    sha256: '1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13',
  },
  'test-images': {
    name: 't10k-images-idx3-ubyte',
    words: 'test images',
    bytes: 7_840_016,
    md5: '2646ac647ad5339dbf082846283269ea',
    sha256: '6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161',
  },
  'test-labels': {
    name: 't10k-labels-idx1-ubyte',
    words: 'test labels',
    bytes: 10_008,
    md5: '27ae3e4e09519cfbb04c329615203637',
    sha256: 'ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5',
  },
} as const satisfies Record<string, MnistFile>;

export type MnistPart = keyof typeof MNIST_FILES;

/** Public copies of the four gzip-compressed files, tried in this order. */
export const MNIST_MIRRORS: readonly string[] = [
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
  'https://systemds.apache.org/assets/datasets/mnist/',
  'https://raw.githubusercontent.com/fgnt/mnist/master/',
];

/** What is being downloaded, and how far; `totalBytes` is null when the server does not say. */
export interface MnistProgress {
  readonly words: string;
  readonly host: string;
  readonly receivedBytes: number;
  readonly totalBytes: number | null;
}

export interface MnistOptions {
  readonly cacheFolder: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: MnistProgress) => void) | undefined;
  readonly mirrors?: readonly string[] | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly stallTimeoutMs?: number | undefined;
  readonly nowMs?: (() => number) | undefined;
}

export interface MnistArray extends IdxArray {
  /** Of `data`. */
  readonly sha256: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_MS = 15_000;
/** Gzip headers and blocks that do not shrink make a file a little longer at worst. */
const GZIP_OVERHEAD_BYTES = 65_536;

/**
 * One of MNIST's four files, from the cache, else from the first mirror that has it whole. In the cache it lies
 * unpacked, so that the next start only reads and checks it; a damaged one is fetched anew. Throws
 * OperationalError('dataset') with one line that names all that was tried, or OperationalError('aborted').
 */
export async function loadMnist(part: MnistPart, options: MnistOptions): Promise<MnistArray> {
  const file: MnistFile = MNIST_FILES[part];
  const folder = join(options.cacheFolder, 'mnist');
  const path = join(folder, file.name);
  const cached = await readCached(path, file);
  if (cached !== null) return cached;
  try {
    await removeAbandonedParts(folder, (options.nowMs ?? Date.now)());
    await fetchFromMirrors(path, file, options);
  } catch (error) {
    if (error instanceof OperationalError) throw error;
    throw new OperationalError(
      'dataset',
      `MNIST cannot be kept in ${folder} (${messageOf(error)}): name another cache folder by GAN_CACHE_DIR`,
    );
  }
  const fetched = await readCached(path, file);
  if (fetched !== null) return fetched;
  throw new OperationalError('dataset', `${path} was changed by somebody else while it was read: try again`);
}

/** The file in the cache; null when it is missing or not what it should be: fetching replaces it. */
async function readCached(path: string, file: MnistFile): Promise<MnistArray | null> {
  let array: IdxArray;
  try {
    array = await readIdx(path);
  } catch (error) {
    if (error instanceof OperationalError) return null;
    throw error;
  }
  const sha256 = createHash('sha256').update(array.data).digest('hex');
  return sha256 === file.sha256 ? { ...array, sha256 } : null;
}

async function fetchFromMirrors(path: string, file: MnistFile, options: MnistOptions): Promise<void> {
  const failures: string[] = [];
  for (const mirror of options.mirrors ?? MNIST_MIRRORS) {
    const url = new URL(`${file.name}.gz`, mirror).href;
    try {
      await writeWholeFile(path, verified(unpacked(downloadOf(url, file, options)), file));
      return;
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      failures.push(`${hostOf(url)}: ${error.message}`);
    }
  }
  throw new OperationalError(
    'dataset',
    `MNIST's ${file.words} cannot be downloaded (${failures.join('; ')}): name a folder that holds ${file.name}(.gz), or synthetic, by --data`,
  );
}

function downloadOf(url: string, file: MnistFile, options: MnistOptions): AsyncIterable<Uint8Array> {
  return download({
    url,
    maxBytes: file.bytes + GZIP_OVERHEAD_BYTES,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
    signal: options.signal,
    onProgress: (receivedBytes, totalBytes) =>
      options.onProgress?.({ words: file.words, host: hostOf(url), receivedBytes, totalBytes }),
  });
}

/** Unpacks a gzip stream, piece by piece. */
async function* unpacked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  // The pipeline ends either side when the other fails; the error comes out of the loop below.
  const gunzip = pipeline(Readable.from(source, { objectMode: false }), createGunzip(), () => undefined);
  try {
    for await (const piece of gunzip) yield piece as Uint8Array;
  } catch (error) {
    const isGzipError = ((error as NodeJS.ErrnoException).code ?? '').startsWith('Z_');
    throw isGzipError ? new DownloadError(`not a whole gzip file (${messageOf(error)})`) : error;
  }
}

/** Passes an unpacked file on, and throws DownloadError before its end unless length and MD5 are as published. */
async function* verified(
  source: AsyncIterable<Uint8Array>,
  file: MnistFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  const md5 = createHash('md5');
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.byteLength;
    if (bytes > file.bytes)
      throw new DownloadError(`unpacks to more than the ${file.bytes} bytes of ${file.name}`);
    md5.update(piece);
    yield piece;
  }
  if (bytes < file.bytes) throw new DownloadError(`ended after ${bytes} of ${file.bytes} unpacked bytes`);
  const found = md5.digest('hex');
  if (found !== file.md5)
    throw new DownloadError(`wrong checksum (MD5 ${file.md5} was expected, found ${found})`);
}
