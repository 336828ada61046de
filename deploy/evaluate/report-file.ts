import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { OperationalError, UsageError, messageOf } from '../../proto/index.js';
import { makeFolder } from '../../proto/runtime/make-folder.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';
import type { Evaluation } from './evaluation.js';

/** Throws UsageError where no file can be written: before the work, not after it. Makes nothing. */
export function checkReportPlace(path: string): void {
  const refuse = (words: string, cause?: unknown): never => {
    throw new UsageError(`--out: ${path} ${words}`, { cause });
  };
  if (existsSync(path) && !statSync(path).isFile()) refuse('is no file; a name for the report was expected');
  let folder = dirname(resolve(path));
  while (!existsSync(folder)) folder = dirname(folder);
  if (!statSync(folder).isDirectory()) refuse(`cannot be written: ${folder} is a file`);
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    refuse(`cannot be written: this user may not write to ${folder}`, error);
  }
}

/** Writes the evaluation as JSON, whole or not at all. Throws OperationalError. */
export async function writeReport(path: string, evaluation: Evaluation): Promise<void> {
  try {
    makeFolder(dirname(resolve(path)));
    await writeWholeFile(path, `${JSON.stringify(evaluation, null, 2)}\n`);
  } catch (error) {
    throw new OperationalError('run-failed', `${path} cannot be written (${messageOf(error)})`, {
      cause: error,
    });
  }
}
