import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError, UsageError, messageOf, type FileRecord } from '../../proto/index.js';
import { ARTIFACTS_PATH, artifactsSchema, type Artifacts } from '../../proto/artifacts.js';
import { DownloadError, download } from '../../proto/runtime/download.js';
import { makeFolder } from '../../proto/runtime/make-folder.js';
import { sha256Of } from '../../proto/runtime/sha256.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';

const CONNECT_TIMEOUT_MS = 5_000;
const STALL_TIMEOUT_MS = 10_000;
const LIST_BYTES = 100_000;
const FILE_BYTES = 100_000_000;
const ASK_AGAIN_MS = 500;

export interface FetchOptions {
  /** Of the cluster's live page. */
  readonly url: string;
  readonly out: string;
  /** For a coordinator that is being started. */
  readonly waitMs: number;
  readonly say: (line: string) => void;
  readonly interrupt: AbortSignal;
}

/**
 * Brings a finished run's result into a folder: each file is checked against the SHA-256 that the coordinator tells before it
 * gets its name, files that are there already are kept, and the record comes last. Throws UsageError when nobody answers,
 * OperationalError when there is no result yet or a file does not arrive whole.
 */
export async function fetchResult(options: FetchOptions): Promise<void> {
  const { out, say } = options;
  const artifacts = await listed(options);
  const { runId, outcome, step, steps, files } = artifacts;
  if (outcome !== 'done') {
    const how = { running: 'is', failed: 'has failed', interrupted: 'was interrupted' }[outcome];
    throw new OperationalError(
      'run-failed',
      `there is no final generator yet: run ${runId} ${how} at step ${step} of ${steps}; fetch it when the run is done`,
    );
  }
  try {
    makeFolder(out);
  } catch (error) {
    throw new UsageError(`--out: ${out} cannot be made: ${messageOf(error)}`);
  }
  say(`run ${runId}, ${steps} steps:`);
  for (const file of files) {
    const kept = await isThere(join(out, file.name), file);
    if (!kept) await bring(file, options);
    say(
      `  ${file.name.padEnd(22)} ${String(file.bytes).padStart(9)} bytes  ${file.sha256}${kept ? '  (was there)' : ''}`,
    );
  }
  say(`The generator is in ${relative('.', out) || '.'}.`);
}

async function listed({ url, waitMs, interrupt, say }: FetchOptions): Promise<Artifacts> {
  const untilMs = performance.now() + waitMs;
  let told = false;
  for (;;) {
    try {
      const bytes = await bytesOf({
        url: new URL(ARTIFACTS_PATH, url).href,
        maxBytes: LIST_BYTES,
        signal: interrupt,
      });
      const listing = artifactsSchema.safeParse(parsed(bytes));
      if (listing.success && listing.data.files.every(({ name }) => name === basename(name)))
        return listing.data;
      throw new UsageError(`--url: a gan-cluster coordinator of this version was expected at ${url}`);
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      if (performance.now() > untilMs)
        throw new UsageError(
          `no coordinator answers at ${url} (${error.message}): start the cluster, or name its live page by --url`,
        );
      if (!told) say(`waiting for the coordinator at ${url} ...`);
      told = true;
      await delay(ASK_AGAIN_MS, undefined, { signal: interrupt }).catch(() => undefined); // told by the next try
    }
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

async function bring(file: FileRecord, { url, out, interrupt }: FetchOptions): Promise<void> {
  let bytes: Uint8Array;
  try {
    const from = new URL(`${ARTIFACTS_PATH}${encodeURIComponent(file.name)}`, url).href;
    bytes = await bytesOf({ url: from, maxBytes: Math.min(file.bytes, FILE_BYTES), signal: interrupt });
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    throw new OperationalError(
      'run-failed',
      `${file.name} could not be fetched (${error.message}): fetch again`,
    );
  }
  const found = sha256Of(bytes);
  if (found !== file.sha256)
    throw new OperationalError(
      'run-failed',
      `${file.name} was expected with SHA-256 ${file.sha256}, what came has ${found}: nothing was kept of it, fetch again`,
    );
  try {
    await writeWholeFile(join(out, file.name), bytes);
  } catch (error) {
    throw new UsageError(`--out: ${file.name} cannot be written to ${out}: ${messageOf(error)}`);
  }
}

async function bytesOf(options: { url: string; maxBytes: number; signal: AbortSignal }): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of download({
    ...options,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    stallTimeoutMs: STALL_TIMEOUT_MS,
  }))
    pieces.push(piece);
  return Buffer.concat(pieces);
}

async function isThere(path: string, { sha256 }: FileRecord): Promise<boolean> {
  const bytes = await readFile(path).catch(() => null); // then it is fetched
  return bytes !== null && sha256Of(bytes) === sha256;
}
