import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and what is missing above it. Not by mkdir's own `recursive`, which in Node 20 never returns where a
 * folder can never be made (below /proc, say).
 * @returns the folders that were made, outermost first
 * @throws the file system's error
 */
export function makeFolder(path: string, mode?: number): string[] {
  const folder = resolve(path);
  if (existsSync(folder)) return [];
  const above = makeFolder(dirname(folder));
  try {
    mkdirSync(folder, mode === undefined ? {} : { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return above; // made by another process meanwhile
    throw error;
  }
  return [...above, folder];
}
