import { z } from 'zod';
import { fileRecordSchema } from './messages.js';

/** Where a coordinator lists the files of its run's result, and below it each of them by its name. */
export const ARTIFACTS_PATH = '/artifacts/';

/** What there is to fetch of a run. */
export const artifactsSchema = z.object({
  runId: z.string(),
  outcome: z.enum(['running', 'done', 'interrupted', 'failed']),
  step: z.int().min(0),
  steps: z.int().min(0),
  /** Of the whole replica state after the last step; null before the first checkpoint. */
  stateSha256: z.string().nullable(),
  /** The result's files; none before the run is done. */
  files: z.array(fileRecordSchema).max(64),
});
export type Artifacts = z.infer<typeof artifactsSchema>;
