import { z } from 'zod';
import { outSchemas } from './messages.js';

/**
 * What the live page is told over its WebSocket, as JSON. A page that connects, or connects again, is first told all there is:
 * `run`, `curve` from point 0, `events` from the first, `samples`, `now`. After that only what is new comes. The page says
 * nothing. All of it is bounded, however long the run.
 */
export const LIVE_PATH = '/live';
/** Where the PNG of a sample grid is: this, the step, `.png`. */
export const SAMPLES_PATH = '/samples/';

const count = z.int().min(0);
const text = z.string();
const measure = z.number().nullable();

/** What does not change during a run. */
export const liveRunSchema = z.strictObject({
  kind: z.literal('run'),
  runId: text,
  dataset: text,
  recipe: text,
  engine: text.nullable(),
  seed: z.number(),
  shards: count,
  shardBatch: count,
  steps: count,
  stepsPerPass: count,
  /** A process of the coordinator: another one means that it was started again. */
  coordinator: text,
});

/** One worker, as the ring is drawn. */
export const liveWorkerSchema = z.strictObject({
  /** The same after the worker was started again. */
  name: text,
  hostname: text,
  /** Place in the ring; null for whoever has none. */
  rank: count.nullable(),
  role: z.enum(['member', 'spare', 'preparing', 'leaving', 'kept-out', 'silent']),
  /** What it is doing: idle, fetch, open, wait, compute, reduce, update. */
  phase: text,
  step: count,
  /** Images that it has computed gradients of since it started. */
  images: count,
  /** Bytes of the ring, both directions. */
  ringBytes: count,
  /** Shares of its time since it started, 0 to 1; they sum up to 1, or are all 0 before the first update. */
  waitShare: z.number(),
  computeShare: z.number(),
  reduceShare: z.number(),
  updateShare: z.number(),
});

/** Three times a second. */
export const liveNowSchema = z.strictObject({
  kind: z.literal('now'),
  status: outSchemas.status,
  workers: z.array(liveWorkerSchema),
  /** Step of the newest checkpoint, and its age. */
  checkpoint: z.strictObject({ step: count, ageS: z.number() }).nullable(),
});

/**
 * The history, thinned: a point is the mean over `stepsPerPoint` steps (a power of two); the last one may be incomplete and
 * is told again. Points from `from` on replace those that were there; `from` = 0 replaces all.
 */
export const liveCurveSchema = z.strictObject({
  kind: z.literal('curve'),
  stepsPerPoint: count.min(1),
  from: count,
  discriminatorLoss: z.array(measure),
  generatorLoss: z.array(measure),
  discriminatorReal: z.array(measure),
  discriminatorFake: z.array(measure),
  /** Images a second over the point's steps; null where that is not known. */
  imagesPerSecond: z.array(measure),
});

export const liveEventSchema = z.strictObject({
  /** Grows by one. */
  seq: count,
  /** Unix time in ms. */
  atMs: z.number(),
  step: count,
  level: z.enum(['info', 'warning', 'error']),
  text,
});

/** `restart` means that these are all there are. */
export const liveEventsSchema = z.strictObject({
  kind: z.literal('events'),
  restart: z.boolean(),
  events: z.array(liveEventSchema),
});

/** Steps after which a sample grid was drawn, all that are kept, ascending. */
export const liveSamplesSchema = z.strictObject({ kind: z.literal('samples'), steps: z.array(count) });

/** The last word: the page keeps what it shows and does not connect again. */
export const liveEndedSchema = z.strictObject({
  kind: z.literal('ended'),
  outcome: z.enum(['done', 'interrupted', 'failed']),
  message: text,
});

export const liveMessageSchema = z.discriminatedUnion('kind', [
  liveRunSchema,
  liveNowSchema,
  liveCurveSchema,
  liveEventsSchema,
  liveSamplesSchema,
  liveEndedSchema,
]);
export type LiveMessage = z.infer<typeof liveMessageSchema>;
export type LiveOf<K extends LiveMessage['kind']> = Extract<LiveMessage, { readonly kind: K }>;
export type LiveWorker = z.infer<typeof liveWorkerSchema>;
export type LiveEvent = z.infer<typeof liveEventSchema>;
/** The curves' columns. */
export const CURVE_COLUMNS = [
  'discriminatorLoss',
  'generatorLoss',
  'discriminatorReal',
  'discriminatorFake',
  'imagesPerSecond',
] as const;
/** Events that are kept. */
export const MAX_LIVE_EVENTS = 500;
/** Points of a curve at most. */
export const MAX_CURVE_POINTS = 1_024;
