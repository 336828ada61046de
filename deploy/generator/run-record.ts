import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { sha256Of } from '../../proto/runtime/sha256.js';
import { DAMAGED, fileSystemWords, firstIssue, refusal } from './refusal.js';

/** What is needed here of a run's record, so that records of other versions can be read as well. */
const recordSchema = z.object({
  outcome: z.enum(['running', 'done', 'interrupted', 'failed']),
  stepsPlanned: z.int(),
  stepsDone: z.int(),
  files: z.array(z.object({ name: z.string(), sha256: z.string() })),
});
export type RunRecord = z.infer<typeof recordSchema>;

/** The `run.json` of a folder, null when there is none. Throws UsageError for one that cannot be read. */
export async function readRunRecord(folder: string): Promise<RunRecord | null> {
  const path = join(folder, 'run.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw refusal(path, fileSystemWords(error), error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refusal(path, `was expected to be the record of a run, and is no JSON: ${DAMAGED}`, error);
  }
  const record = recordSchema.safeParse(value);
  if (record.success) return record.data;
  throw refusal(
    path,
    `was expected to be the record of a run (${firstIssue(record.error)}): ${DAMAGED}`,
    record.error,
  );
}

/** Throws UsageError where the record of a run lies beside the file and tells another SHA-256 of it. */
export async function checkAgainstRecord(path: string, bytes: Uint8Array): Promise<void> {
  const record = await readRunRecord(dirname(path));
  const told = record?.files.find(({ name }) => name === basename(path))?.sha256;
  const found = sha256Of(bytes);
  if (told !== undefined && told !== found)
    throw refusal(
      path,
      `was expected to have SHA-256 ${told}, as run.json beside it tells, found ${found}: ${DAMAGED}`,
    );
}
