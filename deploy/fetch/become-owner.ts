import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../../proto/index.js';

/**
 * Gives up this process's user for the one who owns `folder`, or the nearest folder above it that is there: what is
 * written then belongs to them. For a process that was started as root, in a container that knows no users of the host.
 * Throws UsageError when the process may not do that.
 */
export function becomeOwnerOf(folder: string): void {
  let there = resolve(folder);
  while (!existsSync(there)) there = dirname(there);
  const { uid, gid } = statSync(there);
  try {
    process.setgroups?.([gid]);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (error) {
    throw new UsageError(
      `--as-owner: this process was expected to be root, so that it can become user ${uid}, the owner of ${there}`,
      { cause: error },
    );
  }
}
