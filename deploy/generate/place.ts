import { readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { OperationalError, UsageError, messageOf } from '../../proto/index.js';
import { readRunRecord } from '../generator/index.js';

/**
 * Whether the place for a file holds something already, which it will replace. Throws UsageError for a place that is not
 * one for a file, or that is taken by a file of a run.
 */
export async function checkFilePlace(out: string): Promise<{ readonly replaces: boolean }> {
  const found = await stat(out).catch(missing);
  if (found === null) return { replaces: false };
  if (!found.isFile())
    throw new UsageError(
      `--out: a file was expected at ${out}, found ${found.isDirectory() ? 'a folder' : 'something else'}: name another`,
    );
  // Somebody else's run.json is none.
  const record = await readRunRecord(dirname(out)).catch((error: unknown) => {
    if (error instanceof UsageError) return null;
    throw error;
  });
  if (record?.files.some(({ name }) => name === basename(out)))
    throw new UsageError(`--out: ${out} belongs to the result of the run beside it: name another file`);
  return { replaces: true };
}

/** The same of a place for a folder, which replaces nothing: it has to be free, or an empty folder. */
export async function checkFolderPlace(out: string): Promise<{ readonly replaces: false }> {
  const found = await stat(out).catch(missing);
  if (found === null) return { replaces: false };
  if (!found.isDirectory())
    throw new UsageError(`--out: a folder was expected at ${out}, found a file: name another, or add .png`);
  const names = await readdir(out).catch((error: unknown) => {
    throw unwritable(out, error);
  });
  const [first] = names;
  if (first !== undefined)
    throw new UsageError(
      `--out: ${out} was expected to be new or empty, found ${names.length} file${names.length === 1 ? '' : 's'} in it, such as ${first}: name another folder`,
    );
  return { replaces: false };
}

function missing(error: unknown): null {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return null;
  throw new UsageError(`--out: ${messageOf(error)}`, { cause: error });
}

/** What a user can put right by another name is wrong use; a disk that has no room is not. */
const DISK_ERRORS = ['ENOSPC', 'EDQUOT', 'EIO', 'EFBIG'];

/** What is to be thrown instead of an error of the file system; others are given back. */
export function unwritable(out: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  // The rest of the message names a temporary file.
  const [words = ''] = error.message.split(',');
  if (!DISK_ERRORS.includes(code))
    return new UsageError(`--out: ${out} cannot be written (${words}): name another place`, { cause: error });
  return new OperationalError(
    'run-failed',
    `${out} cannot be written (${words}): nothing of it was kept, make room and try again`,
    { cause: error },
  );
}
