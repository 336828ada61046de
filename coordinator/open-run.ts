import {
  OperationalError,
  RECIPES,
  UsageError,
  differingFields,
  globalBatch,
  limits,
  maxShardBatch,
  stepOf,
  stepsPerPass,
  type RunSpec,
  type RunSpecDraft,
} from '../proto/index.js';
import type { Dataset } from './dataset/index.js';
import { History } from './history.js';
import type { CheckpointRecord } from './membership.js';
import type { RunStore } from './run-store.js';

/** What a user may say about the bits of a run; undefined where nothing was said. */
export interface SpecRequest {
  readonly seed: number | undefined;
  readonly recipe: string | undefined;
  readonly shards: number | undefined;
  readonly shardBatch: number | undefined;
  readonly engine: string | undefined;
}

export const SPEC_DEFAULTS = {
  seed: 1,
  recipe: 'tutorial',
  shards: 4,
  shardBatch: 32,
  engine: 'auto',
} as const;

/** How long a run is to be, as the user said it. */
export type Length = { readonly epochs: number } | { readonly steps: number };
export const DEFAULT_LENGTH: Length = { epochs: 20 };

/** Builds the RunSpec of a new run; throws UsageError on what cannot be trained. */
export function draftSpec(
  request: SpecRequest,
  dataset: Pick<Dataset, 'name' | 'sha256' | 'count' | 'imageSize'>,
): RunSpecDraft {
  const recipeName = request.recipe ?? SPEC_DEFAULTS.recipe;
  const bundle = RECIPES[recipeName];
  if (bundle === undefined) {
    throw new UsageError(
      `--recipe: one of ${Object.keys(RECIPES).join(', ')} was expected, found ${recipeName}`,
    );
  }
  const draft: RunSpecDraft = {
    version: 1,
    seed: request.seed ?? SPEC_DEFAULTS.seed,
    model: bundle.model,
    recipe: bundle.recipe,
    dataset: { name: dataset.name, sha256: dataset.sha256, images: dataset.count },
    shards: request.shards ?? SPEC_DEFAULTS.shards,
    shardBatch: request.shardBatch ?? SPEC_DEFAULTS.shardBatch,
    engine: request.engine ?? SPEC_DEFAULTS.engine,
  };
  checkShape(draft, dataset.imageSize);
  if (stepsPerPass(draft) < 1) {
    throw new UsageError(
      `--shards ${draft.shards} x --shard-batch ${draft.shardBatch} make a global batch of ${globalBatch(draft)} images, ` +
        `but ${dataset.name} has ${dataset.count}: lower one of them`,
    );
  }
  return draft;
}

/** The checks that need no data; for the command line to fail early. */
export function checkShape(
  spec: { readonly shards: number; readonly shardBatch: number },
  imageSize: number,
): void {
  if (spec.shards < 1 || spec.shards > limits.maxShards) {
    throw new UsageError(`--shards: 1 to ${limits.maxShards} were expected, found ${spec.shards}`);
  }
  if (spec.shardBatch < 2) {
    throw new UsageError(
      `--shard-batch: at least 2 was expected (batch norm needs two images), found ${spec.shardBatch}`,
    );
  }
  const most = maxShardBatch(imageSize);
  if (spec.shardBatch > most) {
    throw new UsageError(
      `--shard-batch: at most ${most} was expected (a shard travels in one NATS message), found ${spec.shardBatch}: use more --shards`,
    );
  }
}

export const stepsOf = (length: Length, spec: RunSpecDraft): number =>
  'steps' in length ? length.steps : length.epochs * stepsPerPass(spec);

export interface OpenedRun {
  readonly spec: RunSpec | RunSpecDraft;
  readonly steps: number;
  readonly checkpoint: CheckpointRecord | null;
  readonly history: History;
}

/**
 * Opens the run that the store tells of, or a new one.
 * @param resume a recorded run is expected
 */
export async function openRun(
  store: RunStore,
  request: SpecRequest,
  length: Length | null,
  dataset: Dataset,
  resume: boolean,
): Promise<OpenedRun> {
  const record = await store.readRecord();
  if (record === null) {
    if (resume) throw new UsageError('--resume: a recorded run was expected in JetStream, found none');
    const spec = draftSpec(request, dataset);
    return { spec, steps: stepsOf(length ?? DEFAULT_LENGTH, spec), checkpoint: null, history: new History() };
  }
  const { spec } = record;
  compareWithRecord(spec, request, dataset);
  const { checkpoint } = store;
  const steps = length === null ? record.steps : stepsOf(length, spec);
  const done = stepOf(checkpoint?.update ?? 0);
  if (steps < done) {
    throw new UsageError(
      `--resume: the run stands at step ${done} already, ${steps} steps were asked for: a run can only be made longer`,
    );
  }
  if (checkpoint === null) return { spec, steps, checkpoint, history: new History() };
  const bytes = await store.readHistory(checkpoint);
  if (bytes === null)
    throw new OperationalError('checkpoint', `checkpoint ${checkpoint.object} has no history`);
  return { spec, steps, checkpoint, history: History.decode(bytes) };
}

/** A resumed run takes what the user did not say from its record; what was said must agree. */
export function compareWithRecord(
  spec: RunSpec,
  request: SpecRequest,
  dataset: Pick<Dataset, 'name' | 'sha256' | 'count'>,
): void {
  const wanted = {
    seed: request.seed ?? spec.seed,
    shards: request.shards ?? spec.shards,
    shardBatch: request.shardBatch ?? spec.shardBatch,
    recipe: request.recipe ?? spec.recipe.name,
    engine: request.engine === undefined || request.engine === 'auto' ? spec.engine : request.engine,
    dataset: { sha256: dataset.sha256, images: dataset.count },
  };
  const recorded = {
    seed: spec.seed,
    shards: spec.shards,
    shardBatch: spec.shardBatch,
    recipe: spec.recipe.name,
    engine: spec.engine,
    dataset: { sha256: spec.dataset.sha256, images: spec.dataset.images },
  };
  const fields = differingFields(recorded, wanted);
  if (fields.length === 0) return;
  throw new UsageError(
    `--resume: the recorded run differs in ${fields.join(', ')}: leave these out to go on with it, or start a new run in another --out`,
  );
}
