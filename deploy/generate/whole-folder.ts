import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../proto/runtime/make-folder.js';
import { partPath, writeToDisk } from '../../proto/runtime/whole-file.js';

export interface FolderEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes the files of a folder that is new or empty: all of them or, when one cannot be made, none. They are written in a
 * hidden folder inside, which works where a folder cannot be replaced (a mounted one, the one that one is in), and come
 * out of it when the last is on the disk. Removes what it made when it fails, and throws what `entries` or the file
 * system throws.
 * @returns how many there are
 */
export async function writeWholeFolder(path: string, entries: AsyncIterable<FolderEntry>): Promise<number> {
  const made = makeFolder(path);
  const parts = partPath(join(path, 'files'));
  const names: string[] = [];
  let moved = 0;
  try {
    await mkdir(parts);
    for await (const { name, bytes } of entries) {
      await writeToDisk(join(parts, name), bytes);
      names.push(name);
    }
    for (const name of names) {
      await rename(join(parts, name), join(path, name));
      moved++;
    }
    await rmdir(parts);
  } catch (error) {
    for (const name of names.slice(0, moved)) await rm(join(path, name), { force: true });
    await rm(parts, { recursive: true, force: true });
    await removeEmpty(made);
    throw error;
  }
  return names.length;
}

/** Folders that were made for nothing, innermost first; those in which somebody has put something stay. */
export async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of [...folders].reverse()) {
    const names = await readdir(folder).catch(() => null); // somebody else was quicker
    if (names === null || names.length > 0) return;
    await rmdir(folder);
  }
}
