import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RUNS_FOLDER } from './folders.js';

/** The folder of the run in `runs/` whose record was written last; undefined when there is none. */
export function newestRun(): string | undefined {
  const folders = existsSync(RUNS_FOLDER)
    ? readdirSync(RUNS_FOLDER).map((name) => join(RUNS_FOLDER, name))
    : [];
  const [newest] = folders
    .filter((folder) => existsSync(join(folder, 'run.json')))
    .sort((a, b) => statSync(join(b, 'run.json')).mtimeMs - statSync(join(a, 'run.json')).mtimeMs);
  return newest;
}
