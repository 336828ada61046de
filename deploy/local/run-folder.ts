import { existsSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ResultFolder, newRunId, type RunFile } from '../../coordinator/index.js';
import { UsageError } from '../../proto/index.js';
import { makeFolder } from '../../proto/runtime/make-folder.js';
import { CLUSTER_FOLDER, RUNS_FOLDER } from './folders.js';
import { newestRun } from './newest-run.js';

function runToResume(): string {
  const newest = newestRun();
  if (newest === undefined)
    throw new UsageError(
      `--resume: a run was expected in ${RUNS_FOLDER}/, found none: name its folder by --out`,
    );
  return newest;
}

/** Where a local run lives. */
export class RunFolder {
  /** Folders that `create` made, outermost first. */
  private made: string[] = [];

  private constructor(
    readonly path: string,
    readonly runId: string,
    /** The record of the run that is to be resumed. */
    readonly record: RunFile | null,
  ) {}

  /** Finds the folder of a new run or of the one to resume; makes nothing. Throws UsageError when it does not fit. */
  static find(out: string | undefined, resume: boolean, now: Date): RunFolder {
    if (resume) {
      const path = out ?? runToResume();
      const record = ResultFolder.read(path);
      if (record === null)
        throw new UsageError(`--resume: a run was expected in ${path}, found none: name its folder by --out`);
      return new RunFolder(resolve(path), record.runId, record);
    }
    const runId = newRunId(now);
    const path = out ?? join(RUNS_FOLDER, runId);
    const record = ResultFolder.read(path);
    if (record !== null) {
      throw new UsageError(
        `--out: ${path} holds run ${record.runId} (${record.stepsDone} of ${record.stepsPlanned} steps): add --resume to go on with it, or name another folder`,
      );
    }
    return new RunFolder(resolve(path), runId, null);
  }

  create(): void {
    try {
      this.made = [...makeFolder(this.logFolder), ...makeFolder(this.natsFolder, 0o700)];
    } catch (error) {
      throw new UsageError(`--out: ${this.path} cannot be made: ${(error as Error).message}`);
    }
  }

  get natsFolder(): string {
    return join(this.path, CLUSTER_FOLDER, 'nats');
  }

  private get logFolder(): string {
    return join(this.path, CLUSTER_FOLDER, 'logs');
  }

  logFile(processName: string): string {
    return join(this.logFolder, `${processName}.log`);
  }

  /** Removes what `create` made when no run came of it. */
  discardIfEmpty(): void {
    if (this.record !== null || existsSync(join(this.path, 'run.json'))) return;
    rmSync(join(this.path, CLUSTER_FOLDER), { recursive: true, force: true });
    for (const folder of this.made.reverse()) {
      if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
    }
  }
}
