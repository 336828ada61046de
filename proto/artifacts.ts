import { z } from 'zod';
import { fileRecordSchema } from './messages.js';

/** Where a coordinator lists the files of its run's result, and below it each of them by its name. */
export const ARTIFACTS_PATH = '/artifacts/';
/**
 * Where the newest generator of a run is asked for. With `?discriminator` the discriminator's files are asked for as
 * well. A file of a generator that is kept is below it, by the generator's step and its own name.
 */
export const NEWEST_PATH = `${ARTIFACTS_PATH}newest/`;

/** What there is to fetch of a run. */
export const artifactsSchema = z.object({
  /** Null while the run has no name yet. */
  runId: z.string().nullable(),
  outcome: z.enum(['preparing', 'running', 'done', 'interrupted', 'failed']),
  /** What the run does now, or how it ended, in words that follow on its name. */
  doing: z.string(),
  step: z.int().min(0),
  steps: z.int().min(0),
  /** Of the whole replica state after the last step; null before the first checkpoint. */
  stateSha256: z.string().nullable(),
  /** The result's files; none before the run is done. */
  files: z.array(fileRecordSchema).max(64),
  /** The newest generator that is kept for those who asked for it while the run goes on. */
  newest: z
    .object({
      step: z.int().min(0),
      /** Of the whole replica state after that step. */
      stateSha256: z.string(),
      files: z.array(fileRecordSchema).max(64),
    })
    .nullable(),
});
export type Artifacts = z.infer<typeof artifactsSchema>;

/** Answer to one who asks for the newest generator. */
export const newestArtifactsSchema = artifactsSchema.extend({
  answer: z.enum([
    'final', // the run is done: its result is the newest there is
    'newest',
    'coming', // it is being exported, or will be: ask again
    'none', // `doing` tells why
  ]),
});
export type NewestArtifacts = z.infer<typeof newestArtifactsSchema>;
