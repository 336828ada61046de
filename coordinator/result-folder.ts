import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  OperationalError,
  UsageError,
  messageOf,
  runSpecSchema,
  type FileRecord,
  type NetworkName,
  type WorkerTotals,
} from '../proto/index.js';
import type { Artifacts } from '../proto/artifacts.js';
import { makeFolder } from '../proto/runtime/make-folder.js';
import { sha256Of } from '../proto/runtime/sha256.js';
import { writeWholeFile } from '../proto/runtime/whole-file.js';

const fileRecordSchema = z.object({ name: z.string(), bytes: z.int(), sha256: z.string() });

/** What `run.json` tells: all that may differ between two runs of one RunSpec is here and not in the generator's files. */
export const runFileSchema = z.object({
  runId: z.string(),
  outcome: z.enum(['running', 'done', 'interrupted', 'failed']),
  spec: runSpecSchema,
  stepsPlanned: z.int(),
  stepsDone: z.int(),
  /** SHA-256 of the whole replica state at `stepsDone`; null before the first checkpoint. */
  stateSha256: z.string().nullable(),
  startedAt: z.string(),
  trainingS: z.number(),
  imagesPerSecond: z.number().nullable(),
  /** Of this part of the run: a resumed run counts from where it was resumed. */
  workers: z.array(
    z.object({
      workerId: z.string(),
      shardsComputed: z.int(),
      ringBytesSent: z.int(),
      ringBytesReceived: z.int(),
      redos: z.int(),
      waitMs: z.number(),
      computeMs: z.number(),
      reduceMs: z.number(),
      updateMs: z.number(),
    }),
  ),
  firstStep: z.int(),
  ringEpochs: z.int(),
  files: z.array(fileRecordSchema),
});
export type RunFile = z.infer<typeof runFileSchema>;

const RUN_FILE = 'run.json';

/** The folder that a user asked for by `--out`: read when a run is resumed, written whole files at a time. */
export class ResultFolder {
  constructor(readonly path: string) {}

  /** The record of the run that lives here, null for a folder that is missing or empty; a UsageError for anything else. */
  static read(path: string): RunFile | null {
    if (!existsSync(path)) return null;
    let names: string[];
    try {
      names = readdirSync(path);
    } catch (error) {
      throw new UsageError(`--out: a folder was expected at ${path}: ${messageOf(error)}`);
    }
    if (names.length === 0) return null;
    const file = join(path, RUN_FILE);
    if (!existsSync(file)) {
      throw new UsageError(
        `--out: ${path} was expected to be new, empty or a run's folder, found other files in it: name another folder`,
      );
    }
    try {
      return runFileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    } catch (error) {
      throw new UsageError(
        `--out: ${file} is not a run record of this version: ${messageOf(error).split('\n')[0] ?? ''}`,
      );
    }
  }

  /**
   * Whether a run that is done lies here, with all its files as its record tells them. Reads every file once.
   * @param steps that were planned
   * @param stateSha256 of the state after them
   * @param networks whose files are to be there
   */
  async isComplete(steps: number, stateSha256: string, networks: readonly NetworkName[]): Promise<boolean> {
    let record: RunFile | null;
    try {
      record = ResultFolder.read(this.path);
    } catch (error) {
      if (error instanceof UsageError) return false;
      throw error;
    }
    if (record?.outcome !== 'done' || record.stepsDone !== steps || record.stateSha256 !== stateSha256)
      return false;
    const names = new Set(record.files.map(({ name }) => name));
    if (!networks.every((network) => names.has(`${network}.onnx`))) return false;
    for (const { name, sha256 } of record.files) {
      const bytes = await readFile(join(this.path, name)).catch(() => null); // missing: it is written again
      if (bytes === null || sha256Of(bytes) !== sha256) return false;
    }
    return true;
  }

  /**
   * What of the result of a run of so many steps may be given out now: of one that was made longer, nothing before it is
   * done. Throws UsageError.
   */
  async result(steps: number): Promise<Pick<Artifacts, 'outcome' | 'stateSha256' | 'files'>> {
    const record = ResultFolder.read(this.path);
    const { outcome = 'running', stateSha256 = null } = record ?? {};
    if (record?.outcome !== 'done') return { outcome, stateSha256, files: [] };
    if (record.stepsDone < steps) return { outcome: 'running', stateSha256, files: [] };
    const bytes = await readFile(join(this.path, RUN_FILE));
    const runFile = { name: RUN_FILE, bytes: bytes.byteLength, sha256: sha256Of(bytes) };
    return { outcome, stateSha256, files: [...record.files, runFile] };
  }

  create(): void {
    try {
      makeFolder(this.path);
    } catch (error) {
      throw new UsageError(`--out: ${this.path} cannot be made: ${messageOf(error)}`);
    }
  }

  async write(name: string, bytes: Uint8Array | string): Promise<FileRecord> {
    const content = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    try {
      await writeWholeFile(join(this.path, name), content);
    } catch (error) {
      throw new OperationalError(
        'run-failed',
        `${name} cannot be written to ${this.path}: ${messageOf(error)}`,
      );
    }
    return { name, bytes: content.byteLength, sha256: sha256Of(content) };
  }

  writeRunFile(run: RunFile): Promise<FileRecord> {
    return this.write(RUN_FILE, `${JSON.stringify(run, null, 2)}\n`);
  }
}

/**
 * One line a worker of `run.json`, in order of name: a worker that was started again is one worker.
 * @param names of processes
 */
export function workerLines(
  totals: ReadonlyMap<string, WorkerTotals>,
  names: ReadonlyMap<string, string>,
): RunFile['workers'] {
  const lines = new Map<string, WorkerTotals>();
  for (const [workerId, total] of totals) {
    const name = names.get(workerId) ?? workerId;
    const before = lines.get(name);
    lines.set(name, before === undefined ? total : addTotals(before, total));
  }
  return [...lines]
    .map(([workerId, total]) => ({ workerId, ...total }))
    .sort((a, b) => a.workerId.localeCompare(b.workerId));
}

function addTotals(a: WorkerTotals, b: WorkerTotals): WorkerTotals {
  const sum = { ...a };
  for (const name of Object.keys(a) as (keyof WorkerTotals)[]) sum[name] += b[name];
  return sum;
}
