import { z } from 'zod';
import { limits } from './limits.js';
import { modelSchema, TUTORIAL_MODEL } from './model.js';

/** How the parameters are changed; data, like the model. */
export const recipeSchema = z.strictObject({
  name: z.string().min(1).max(64),
  learningRate: z.number().positive(),
  beta1: z.number().min(0).lt(1),
  beta2: z.number().min(0).lt(1),
  epsilon: z.number().positive(),
  /** The probability that D is taught to give a real image; below 1: one-sided label smoothing (Salimans et al., 2016). */
  realTarget: z.number().gt(0.5).max(1).default(1),
  /** The finished generator has the moving average of G's weights over its updates; null: their last values. */
  averaging: z
    .strictObject({ decay: z.number().min(0).lt(1) })
    .nullable()
    .default(null),
});
export type Recipe = z.infer<typeof recipeSchema>;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * What decides the bits of a run, immutable. The number of steps, workers and what is shown of the run are not part
 * of it.
 */
export const runSpecSchema = z.strictObject({
  version: z.literal(1),
  seed: z.int().min(0),
  model: modelSchema,
  recipe: recipeSchema,
  dataset: z.strictObject({
    name: z.string().min(1).max(256),
    sha256,
    images: z.int().min(1),
  }),
  /** S: shards of a step's global batch. */
  shards: z.int().min(1).max(limits.maxShards),
  /** B: images of one shard; batch norm sees one shard. */
  shardBatch: z.int().min(2),
  engine: z.string().min(1).max(64),
  engineFingerprint: sha256,
});
export type RunSpec = z.infer<typeof runSpecSchema>;

/** A RunSpec before the first worker has told its engine's fingerprint. */
export const runSpecDraftSchema = runSpecSchema.omit({ engineFingerprint: true });
export type RunSpecDraft = z.infer<typeof runSpecDraftSchema>;

export interface RecipeBundle {
  readonly recipe: Recipe;
  readonly model: z.infer<typeof modelSchema>;
}

/** Recipes by name, each with the model it trains. */
export const RECIPES: Readonly<Record<string, RecipeBundle>> = {
  tutorial: {
    recipe: {
      ...{ name: 'tutorial', learningRate: 2e-4, beta1: 0.5, beta2: 0.999, epsilon: 1e-8 },
      ...{ realTarget: 1, averaging: null },
    },
    model: TUTORIAL_MODEL,
  },
  /** The tutorial's, but for what is said; README tells how much better its images are. */
  averaged: {
    recipe: {
      ...{ name: 'averaged', learningRate: 2e-4, beta1: 0.5, beta2: 0.999, epsilon: 1e-8 },
      ...{ realTarget: 0.9, averaging: { decay: 0.9995 } },
    },
    model: TUTORIAL_MODEL,
  },
};

export const globalBatch = (spec: Pick<RunSpec, 'shards' | 'shardBatch'>): number =>
  spec.shards * spec.shardBatch;

/** Steps of one pass: the remainder of the dataset is dropped, as in the tutorial. */
export function stepsPerPass(spec: Pick<RunSpec, 'shards' | 'shardBatch' | 'dataset'>): number {
  return Math.floor(spec.dataset.images / globalBatch(spec));
}

/** Dotted names of the fields in which two specs differ, e.g. `dataset.sha256`; empty when they are equal. */
export function differingFields(a: unknown, b: unknown, path = ''): string[] {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null;
  if (!isObject(a) || !isObject(b)) return Object.is(a, b) ? [] : [path];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys]
    .sort()
    .flatMap((key) => differingFields(a[key], b[key], path === '' ? key : `${path}.${key}`));
}
