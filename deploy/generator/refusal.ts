import type { z } from 'zod';
import { UsageError } from '../../proto/index.js';

/** What to do about a file that is not as it was written. */
export const DAMAGED = 'it is damaged, or was changed: copy or fetch it again';

/** A file that is not taken: one line that begins with its path. */
export function refusal(path: string, words: string, cause?: unknown): UsageError {
  return new UsageError(`${path} ${words}`, cause === undefined ? {} : { cause });
}

const MAX_SHOWN = 160;

/** Words out of a file in one line, without what steers a terminal. */
export const plain = (text: string): string => text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ');

/** The same, of bounded length. */
export function shown(text: string): string {
  const start = plain(text.slice(0, MAX_SHOWN + 1));
  return start.length > MAX_SHOWN ? `${start.slice(0, MAX_SHOWN)}...` : start;
}

/** The first thing that a schema finds wrong, in a few words. */
export function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return 'unknown';
  const place = issue.path.map(String).join('.');
  return shown(place === '' ? issue.message : `${place}: ${issue.message}`);
}

/** Words of a file system's error. */
export function fileSystemWords(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'is not there',
    ENOTDIR: 'is not there: a part of its path is a file',
    EACCES: 'cannot be read: this user has no permission',
    EPERM: 'cannot be read: this user has no permission',
  };
  return known[code] ?? `cannot be read (${code})`;
}
