import { chownSync, cpSync, lchownSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { run } from './docker.js';

const ROOT = resolve(import.meta.dirname, '../..');

/** What a fresh clone of the working tree as it is now would hold, in a folder of its own. */
export async function freshCheckout(): Promise<string> {
  const listed = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  if (listed.status !== 0) throw new Error(`the working tree cannot be listed: ${listed.stderr}`);
  const folder = mkdtempSync(join(tmpdir(), 'gan-cluster-checkout-'));
  for (const name of listed.stdout.split('\0').filter((path) => path !== '')) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    cpSync(join(ROOT, name), join(folder, name));
  }
  return folder;
}

/** Gives a folder and all in it to a user. */
export function giveTo(uid: number, folder: string): void {
  chownSync(folder, uid, uid);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) giveTo(uid, path);
    else lchownSync(path, uid, uid);
  }
}
