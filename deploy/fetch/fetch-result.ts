import { join } from 'node:path';
import { OperationalError, UsageError, messageOf, type FileRecord } from '../../proto/index.js';
import { ARTIFACTS_PATH, NEWEST_PATH } from '../../proto/artifacts.js';
import { makeFolder } from '../../proto/runtime/make-folder.js';
import { syncFolder } from '../../proto/runtime/whole-file.js';
import { ChangedError, bringFile } from './bring-file.js';
import { awaitNewest, readListing, whereabouts, type ListingOptions } from './listing.js';
import { PartFile, dropParts, isThere } from './part-file.js';

/** In a row; each time the list is read again. */
const MAX_CHANGES = 5;

export interface FetchOptions extends ListingOptions {
  readonly out: string;
  /** The newest generator, also of a run that goes on; else the result of one that is done. */
  readonly newest: boolean;
  /** Also the discriminator. */
  readonly discriminator: boolean;
}

/** What was fetched, and where it is from. */
export interface Fetched {
  readonly runId: string | null;
  readonly kind: 'final' | 'newest';
  readonly step: number;
  readonly steps: number;
  readonly stateSha256: string | null;
  readonly files: readonly (FileRecord & { readonly wasThere: boolean })[];
}

/** Files that belong together, and the path below which the coordinator has them. */
interface Offer extends Omit<Fetched, 'files'> {
  readonly path: string;
  readonly files: readonly FileRecord[];
}

/**
 * Brings a generator with its record into a folder. Files that are there already are kept. The others are downloaded beside
 * their places, where an earlier attempt is gone on with, and checked against the SHA-256 that the coordinator tells;
 * when all have come each gets its name, the record last. So what lies in the folder under its name is always whole, and
 * of one generator.
 *
 * Throws UsageError when nobody answers or the folder cannot be written to, OperationalError when there is no such
 * generator yet or a file does not arrive whole, and 'aborted' when `interrupt` is aborted.
 */
export async function fetchResult(options: FetchOptions): Promise<Fetched> {
  for (let changes = 0; ; changes++) {
    const offer = await offered(options);
    makeOut(options.out);
    try {
      const { path, ...told } = offer;
      return { ...told, files: await bringAll(path, offer, options) };
    } catch (error) {
      if (!(error instanceof ChangedError)) throw error;
      if (changes === MAX_CHANGES)
        throw new OperationalError(
          'run-failed',
          `what is to be fetched changes again and again (${error.message}): fetch again`,
        );
    }
  }
}

async function offered(options: FetchOptions): Promise<Offer> {
  const artifacts = options.newest
    ? await awaitNewest(options.discriminator, options)
    : await readListing(options);
  const { runId, outcome, steps, stateSha256, files, newest } = artifacts;
  if (outcome !== 'done') {
    if (options.newest && newest !== null)
      return { runId, kind: 'newest', steps, ...newest, path: `${NEWEST_PATH}${newest.step}/` };
    throw new OperationalError(
      'run-failed',
      `there is no final generator yet: ${whereabouts(artifacts)}; fetch it when the run is done, or what there is by --newest`,
    );
  }
  if (options.discriminator && !files.some(({ name }) => name === 'discriminator.onnx'))
    throw new OperationalError(
      'run-failed',
      `run ${runId ?? ''} is done, and its result has no discriminator: resume it with --discriminator to add it, or fetch without`,
    );
  return { runId, kind: 'final', step: steps, steps, stateSha256, files, path: ARTIFACTS_PATH };
}

function makeOut(out: string): void {
  try {
    makeFolder(out);
  } catch (error) {
    throw new UsageError(`--out: ${out} cannot be made: ${messageOf(error)}`);
  }
}

async function bringAll(path: string, offer: Offer, options: FetchOptions): Promise<Fetched['files']> {
  const { out, url, waitMs, say, interrupt } = options;
  const { runId, kind, step, steps, files } = offer;
  say(`run ${runId ?? ''}: the ${kind} generator, of step ${step} of ${steps}`);
  const parts: PartFile[] = [];
  const brought: Fetched['files'][number][] = [];
  try {
    for (const file of files) {
      const place = join(out, file.name);
      const wasThere = await isThere(place, file);
      if (!wasThere) {
        const part = await PartFile.open(place, file);
        parts.push(part);
        const from = new URL(`${path}${encodeURIComponent(file.name)}`, url).href;
        await bringFile(file, part, { url: from, patienceMs: waitMs, say, interrupt });
        await part.verify();
      }
      say(fileLine(file, wasThere ? '  (was there)' : ''));
      brought.push({ ...file, wasThere });
    }
    for (const part of parts) await part.publish();
    for (const { name } of files) await dropParts(out, name);
    if (parts.length > 0) await syncFolder(out);
    return brought;
  } finally {
    for (const part of parts) await part.close();
  }
}

/** A file of a list, as users see it. */
export const fileLine = ({ name, bytes, sha256 }: FileRecord, note = ''): string =>
  `  ${name.padEnd(27)} ${String(bytes).padStart(9)} bytes  ${sha256}${note}`;
