import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { OperationalError, UsageError } from '../../proto/index.js';
import {
  ARTIFACTS_PATH,
  NEWEST_PATH,
  artifactsSchema,
  newestArtifactsSchema,
  type Artifacts,
} from '../../proto/artifacts.js';
import { DownloadError, download } from '../../proto/runtime/download.js';

/** Of every request to a coordinator. */
export const TIMEOUTS = { connectTimeoutMs: 5_000, stallTimeoutMs: 10_000 } as const;
const LIST_BYTES = 100_000;
const FILE_BYTES = 100_000_000;
const ASK_AGAIN_MS = 250;

export interface ListingOptions {
  /** Of the cluster's live page. */
  readonly url: string;
  /** For a coordinator that is being started or started again, and for a generator to be exported. */
  readonly waitMs: number;
  readonly say: (line: string) => void;
  readonly interrupt: AbortSignal;
}

/**
 * What a coordinator gives out. Waits for one that is being started. Throws UsageError when none answers, OperationalError
 * 'aborted' when `interrupt` is aborted.
 */
export function readListing(options: ListingOptions): Promise<Artifacts> {
  return ask(ARTIFACTS_PATH, artifactsSchema, options);
}

/**
 * Asks for the newest generator, and waits until it is there: then the list has it, or the result of a run that is done.
 * Throws OperationalError in words when there is none or it does not come in time, else as `readListing`.
 */
export async function awaitNewest(discriminator: boolean, options: ListingOptions): Promise<Artifacts> {
  const path = discriminator ? `${NEWEST_PATH}?discriminator` : NEWEST_PATH;
  const { waitMs, say, interrupt } = options;
  const untilMs = performance.now() + waitMs;
  let told = false;
  for (;;) {
    const { answer, ...artifacts } = await ask(path, newestArtifactsSchema, options, told);
    if (answer === 'final' || answer === 'newest') return artifacts;
    const where = whereabouts(artifacts);
    if (answer === 'none') throw new OperationalError('run-failed', `there is no generator yet: ${where}`);
    if (performance.now() > untilMs)
      throw new OperationalError(
        'run-failed',
        `no generator came within ${waitMs / 1000} s: ${where}; fetch again, or wait longer by --wait-s`,
      );
    if (!told) say(`waiting for the newest generator: ${where} ...`);
    told = true;
    await delay(ASK_AGAIN_MS, undefined, { signal: interrupt }).catch(() => undefined); // told by the next question
  }
}

/** How far a run is, in words. */
export function whereabouts({ runId, doing, step, steps }: Artifacts): string {
  return runId === null ? `the run ${doing}` : `run ${runId} ${doing}, at step ${step} of ${steps}`;
}

async function ask<S extends z.ZodType<Artifacts>>(
  path: string,
  schema: S,
  { url, waitMs, say, interrupt }: ListingOptions,
  hasAnswered = false,
): Promise<z.infer<S>> {
  const untilMs = performance.now() + waitMs;
  let told = false;
  for (;;) {
    try {
      const listing = schema.safeParse(await jsonOf(new URL(path, url).href, interrupt));
      if (listing.success && isSafe(listing.data)) return listing.data;
      throw otherVersion(url);
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      if (error.status === 403)
        throw new UsageError(
          `--url: the coordinator at ${url} does not serve that name: use an address or localhost, or have it in --http-allowed-hosts there`,
        );
      if (error.status === 404) throw otherVersion(url);
      if (performance.now() > untilMs) throw unanswered(url, error, hasAnswered);
      if (!told) say(`waiting for the coordinator at ${url} ...`);
      told = true;
      await delay(ASK_AGAIN_MS, undefined, { signal: interrupt }).catch(() => undefined); // told by the next try
    }
  }
}

const otherVersion = (url: string): UsageError =>
  new UsageError(`--url: a gan-cluster coordinator of this version was expected at ${url}`);

function unanswered(url: string, cause: DownloadError, hasAnswered: boolean): OperationalError {
  const { message } = cause;
  return hasAnswered
    ? new OperationalError(
        'run-failed',
        `the coordinator at ${url} answers no more (${message}): is the cluster over?`,
      )
    : new UsageError(
        `no coordinator answers at ${url} (${message}): start the cluster, or name its live page by --url`,
      );
}

/** Nothing is written outside the folder, and nothing without end. */
const isSafe = ({ files, newest }: Artifacts): boolean =>
  [...files, ...(newest?.files ?? [])].every(
    ({ name, bytes }) => name === basename(name) && !name.startsWith('.') && bytes <= FILE_BYTES,
  );

async function jsonOf(url: string, signal: AbortSignal): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  for await (const piece of download({ url, signal, maxBytes: LIST_BYTES, ...TIMEOUTS })) pieces.push(piece);
  try {
    return JSON.parse(new TextDecoder().decode(Buffer.concat(pieces)));
  } catch {
    return null;
  }
}
