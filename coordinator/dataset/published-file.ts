import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OperationalError, messageOf } from '../../proto/index.js';
import { DownloadError, download, hostOf } from '../../proto/runtime/download.js';
import { removeAbandonedParts, writeWholeFile } from '../../proto/runtime/whole-file.js';
import { sha256Of } from '../../proto/runtime/sha256.js';
import { readIdx, type IdxArray } from './idx.js';

/** An IDX file that lies, gzip-compressed, on several servers, and whose checksum is known. */
export interface PublishedFile {
  /** Of the unpacked file; `.gz` follows it on a server. */
  readonly name: string;
  /** What it is, for messages: `MNIST's training images`. */
  readonly words: string;
  /** Of the unpacked file, header included. */
  readonly bytes: number;
  /** Of the unpacked file, as published. */
  readonly md5: string;
  /** Of the elements alone, in a file with that MD5: what a run records as its dataset. */
  readonly sha256: string;
}

/** What is being downloaded, and how far; `totalBytes` is null when the server does not say. */
export interface DownloadProgress {
  readonly words: string;
  readonly host: string;
  readonly receivedBytes: number;
  readonly totalBytes: number | null;
}

export interface FetchOptions {
  /** Addresses that end with a slash, tried in this order. */
  readonly mirrors: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly stallTimeoutMs?: number | undefined;
  readonly nowMs?: (() => number) | undefined;
}

export interface CheckedArray extends IdxArray {
  /** Of `data`. */
  readonly sha256: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_MS = 15_000;
/** Gzip headers and blocks that do not shrink make a file a little longer at worst. */
const GZIP_OVERHEAD_BYTES = 65_536;

/**
 * The file from `folder`, else from the first mirror that has it whole. It is kept unpacked, so that the next start only
 * reads and checks it; a damaged one is fetched anew. Throws OperationalError('dataset') with one line that names all
 * that was tried, or OperationalError('aborted').
 */
export async function loadPublishedFile(
  file: PublishedFile,
  folder: string,
  options: FetchOptions,
): Promise<CheckedArray> {
  const path = join(folder, file.name);
  const kept = await readKept(path, file);
  if (kept !== null) return kept;
  try {
    await removeAbandonedParts(folder, (options.nowMs ?? Date.now)());
    await fetchFromMirrors(path, file, options);
  } catch (error) {
    if (error instanceof OperationalError) throw error;
    throw new OperationalError(
      'dataset',
      `${file.words} cannot be kept in ${folder} (${messageOf(error)}): name another cache folder by GAN_CACHE_DIR`,
    );
  }
  const fetched = await readKept(path, file);
  if (fetched !== null) return fetched;
  throw new OperationalError('dataset', `${path} was changed by somebody else while it was read: try again`);
}

/** The file in the folder; null when it is missing or not what it should be: fetching replaces it. */
async function readKept(path: string, file: PublishedFile): Promise<CheckedArray | null> {
  let array: IdxArray;
  try {
    array = await readIdx(path);
  } catch (error) {
    if (error instanceof OperationalError) return null;
    throw error;
  }
  const sha256 = sha256Of(array.data);
  return sha256 === file.sha256 ? { ...array, sha256 } : null;
}

async function fetchFromMirrors(path: string, file: PublishedFile, options: FetchOptions): Promise<void> {
  /** Servers by what was wrong with them: without a network it is the same for all. */
  const failures = new Map<string, string[]>();
  for (const mirror of options.mirrors) {
    const url = new URL(`${file.name}.gz`, mirror).href;
    try {
      await writeWholeFile(path, verified(unpacked(downloadOf(url, file, options)), file));
      return;
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      failures.set(error.message, [...(failures.get(error.message) ?? []), hostOf(url)]);
    }
  }
  const tried = [...failures].map(([reason, hosts]) => `${hosts.join(', ')}: ${reason}`).join('; ');
  throw new OperationalError(
    'dataset',
    `${file.words} cannot be downloaded (${tried}): name a folder that holds ${file.name}(.gz), or synthetic, by --data`,
  );
}

function downloadOf(url: string, file: PublishedFile, options: FetchOptions): AsyncIterable<Uint8Array> {
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
  file: PublishedFile,
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
