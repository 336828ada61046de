import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const PART_SUFFIX = '.part';
/** Far longer than any write or download takes: what is older was left by a process that was killed. */
const ABANDONED_AFTER_MS = 24 * 3_600_000;

export interface WholeFileOptions {
  /** Permissions, 0o644 when absent; given to the temporary file already, so that a secret is never readable. */
  readonly mode?: number;
}

/** A name in the same folder, hence on the same file system, for what will be renamed to `path` when it is whole. */
export function partPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}${PART_SUFFIX}`);
}

/**
 * Writes `path` so that no half-written file is ever visible under its name, whatever happens: the content goes to a
 * temporary file beside it, to the disk, and only then under its name, replacing what was there. When `content` throws
 * or the disk is full, the temporary file is removed and the old file, if any, stays. Processes that write the same
 * file at once do not disturb each other; the last to finish wins. Makes the folder when it is missing. Throws what
 * the file system or `content` throws.
 */
export async function writeWholeFile(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  options: WholeFileOptions = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = partPath(path);
  try {
    await writeToDisk(part, content, options);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Writes a new file, and returns when the disk has it. For places that nobody looks at yet. */
export async function writeToDisk(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  { mode = 0o644 }: WholeFileOptions = {},
): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    // writeFile on a handle goes on where the last one ended.
    const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
    for await (const piece of pieces) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Removes what killed processes left in `folder` under a `partPath` name more than a day ago; files of processes at
 * work stay. A missing folder is fine.
 */
export async function removeAbandonedParts(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  for (const name of names) {
    if (!name.startsWith('.') || !name.endsWith(PART_SUFFIX)) continue;
    const path = join(folder, name);
    const entry = await stat(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined; // another process was quicker
      throw error;
    });
    if (entry !== undefined && nowMs - entry.mtimeMs > ABANDONED_AFTER_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

/** Makes a rename survive a power cut. Windows cannot open a folder; there the rename itself has to do. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
