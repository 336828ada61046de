import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError, type FileRecord } from '../../proto/index.js';
import { DownloadError, download } from '../../proto/runtime/download.js';
import { TIMEOUTS } from './listing.js';
import type { PartFile } from './part-file.js';

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;

/** The server has another file than the one that was listed, or none any more: the list is to be read again. */
export class ChangedError extends DownloadError {
  override readonly name = 'ChangedError';
}

export interface BringOptions {
  readonly url: string;
  /** How long the network may be away. */
  readonly patienceMs: number;
  readonly say: (line: string) => void;
  readonly interrupt: AbortSignal;
}

/**
 * Downloads what is missing of `part`. When the connection is lost it tries again, later and later, and goes on from where
 * it was. Throws ChangedError; OperationalError when the network was away for too long (what has come stays), when
 * `interrupt` is aborted ('aborted'), or from `part`.
 */
export async function bringFile(file: FileRecord, part: PartFile, options: BringOptions): Promise<void> {
  const { patienceMs, say, interrupt } = options;
  let lost: { readonly sinceMs: number; readonly bytes: number } | null = null;
  let delayMs = FIRST_DELAY_MS;
  while (part.bytes < file.bytes) {
    try {
      await attempt(file, part, options);
    } catch (error) {
      if (!(error instanceof DownloadError) || error instanceof ChangedError) throw error;
      const nowMs = performance.now();
      if (lost === null || part.bytes > lost.bytes) {
        lost = { sinceMs: nowMs, bytes: part.bytes };
        delayMs = FIRST_DELAY_MS;
        say(
          `${file.name}: ${error.message}, ${part.bytes} of ${file.bytes} bytes are here: trying again ...`,
        );
      }
      if (nowMs + delayMs - lost.sinceMs > patienceMs) throw givenUp(file, part, error, patienceMs);
      await delay(delayMs, undefined, { signal: interrupt }).catch(() => undefined); // the next attempt tells
      delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS);
    }
  }
}

function givenUp(
  { name, bytes }: FileRecord,
  part: PartFile,
  cause: DownloadError,
  patienceMs: number,
): OperationalError {
  return new OperationalError(
    'run-failed',
    `${name} could not be fetched whole (${cause.message}, for ${patienceMs / 1000} s): ${part.bytes} of ${bytes} bytes are here, fetch again to go on from there`,
    { cause },
  );
}

/** One request, for what is missing. */
async function attempt(file: FileRecord, part: PartFile, { url, interrupt }: BringOptions): Promise<void> {
  const etag = `"${file.sha256}"`;
  const start = part.bytes;
  let isWhole = start === 0;
  const pieces = download({
    url,
    maxBytes: file.bytes,
    ...TIMEOUTS,
    signal: interrupt,
    headers: start === 0 ? {} : { range: `bytes=${start}-`, 'if-range': etag },
    onResponse: ({ status, headers }) => {
      const found = headers.get('etag');
      if (found !== null && found !== etag) throw new ChangedError('the file has changed');
      // Something on the way that knows no ranges sends all of it.
      if (status !== 206) isWhole = true;
      else if (headers.get('content-range') !== `bytes ${start}-${file.bytes - 1}/${file.bytes}`)
        throw new ChangedError('another part of the file came than was asked for');
    },
  });
  let received = 0;
  try {
    for await (const piece of pieces) {
      if (isWhole && received === 0) part.restart();
      received += piece.byteLength;
      if (part.bytes + piece.byteLength > file.bytes)
        throw new ChangedError('the file is longer than was said');
      await part.write(piece);
    }
  } catch (error) {
    const { status } = error as DownloadError;
    if (error instanceof DownloadError && (status === 404 || status === 416))
      throw new ChangedError('the file is not there any more', { cause: error });
    throw error;
  }
  if (part.bytes < file.bytes) throw new DownloadError(`ended after ${part.bytes} of ${file.bytes} bytes`);
}
