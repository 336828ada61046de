import { z } from 'zod';
import { limits } from './limits.js';
import { NETWORK_NAMES } from './model.js';
import { runSpecDraftSchema, runSpecSchema } from './run-spec.js';

/** Changes whenever a message changes its meaning; both sides refuse another version in words. */
export const PROTOCOL_VERSION = 5;

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const count = z.int().min(0);
const text = z.string().max(4_096);
const fingerprint = z.string().regex(/^[0-9a-f]{16}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A finite number, or null where the run has none (a skipped update's loss). */
const measure = z.number().nullable();

/** Grey pixels of the sample grid's images, 0 black, one image after the other. */
const pixels = z
  .instanceof(Uint8Array)
  .refine((bytes) => bytes.byteLength <= limits.sampleBytes)
  .meta({ maxBytes: limits.sampleBytes });

/** Where a worker's ring is reached. Without `tls` in an older version's hello, which so can be refused in words. */
const ringAddress = z.strictObject({
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  tls: z.boolean().default(false),
});

/** UUID of an NVIDIA GPU, or of a part of one, as nvidia-smi tells it: unique in the world, so no host id is needed. */
const device = z.string().regex(/^[A-Za-z0-9/-]{1,96}$/);

const engineProbe = z.strictObject({
  name: z.string().max(64),
  usable: z.boolean(),
  reason: text,
  /** The worker's cards that the engine can use; none where it needs no lease of one. */
  devices: z.array(device).max(limits.maxDevices),
});

/** The card that a worker is on. `pinned`: named on its command line, so that no lease decides. */
const heldDevice = z.strictObject({ uuid: device, pinned: z.boolean() });
export type HeldDevice = z.infer<typeof heldDevice>;

/** What one update added to the record of the run; every replica can supply every row it applied. */
const row = z.strictObject({
  update: count,
  scalars: z.array(measure).max(8),
  skipped: z.boolean(),
  /** Steps in a row, this one included, in which an update was skipped. */
  skippedSteps: count,
  /** Times the reduction was redone with lower exponents. */
  redos: count,
});
export type UpdateRow = z.infer<typeof row>;

/** Sums since the worker started; repeated whole, so that a lost message loses nothing. */
const totals = z.strictObject({
  shardsComputed: count,
  ringBytesSent: count,
  ringBytesReceived: count,
  redos: count,
  /** Where the time of its updates went. */
  waitMs: z.number().min(0),
  computeMs: z.number().min(0),
  reduceMs: z.number().min(0),
  updateMs: z.number().min(0),
});
export type WorkerTotals = z.infer<typeof totals>;

export const NO_TOTALS: WorkerTotals = {
  shardsComputed: 0,
  ringBytesSent: 0,
  ringBytesReceived: 0,
  redos: 0,
  waitMs: 0,
  computeMs: 0,
  reduceMs: 0,
  updateMs: 0,
};

export const fileRecordSchema = z.strictObject({ name: z.string().max(255), bytes: count, sha256 });
export type FileRecord = z.infer<typeof fileRecordSchema>;

/** Worker to coordinator. */
export const upSchemas = {
  /** "Here I am": repeated until welcomed or refused, also while it has to wait for a card. */
  hello: z.strictObject({
    protocol: z.int(),
    /** Of this process: a worker that was started again has another one. */
    workerId: id,
    /** Of the worker, also when it was started again: what users see, and what its failures are counted by. */
    name: id,
    hostname: z.string().max(255),
    pid: count,
    ring: ringAddress,
    engines: z.array(engineProbe).max(16),
    /** The engine asked for on the worker's command line, `auto` when none. */
    engine: z.string().max(64),
    /** Also what an earlier coordinator leased to it; null as long as it has no card. */
    device: heldDevice.nullable(),
  }),
  /** The engine is up. */
  ready: z.strictObject({
    workerId: id,
    runId: id,
    engine: z.string().max(64),
    engineVersion: z.string().max(128),
    engineFingerprint: sha256,
    /** Time of the engine's first shard: deadlines follow it until something better is measured. */
    firstShardMs: z.number().min(0),
    /** The card that it computes on; null for an engine that needs no lease. */
    device: heldDevice.nullable(),
    /** Where the replica stands; null when it has no state. */
    nextUpdate: count.nullable(),
  }),
  heartbeat: z.strictObject({
    workerId: id,
    runId: id.nullable(),
    ringEpoch: count,
    nextUpdate: count,
    phase: z.string().max(32),
    /** Since the thread that computes last gave a sign of life: the one that sends heartbeats never hangs with it. */
    replicaSilentMs: count,
  }),
  /** Answer to a survey: the worker has left its ring epoch and stands here. */
  standing: z.strictObject({
    workerId: id,
    term: count,
    survey: count,
    nextUpdate: count.nullable(),
    stateFingerprint: fingerprint.nullable(),
    /** The replica can supply the rows of the updates from here to `nextUpdate`. */
    rowsFrom: count,
    /** The ring epoch in which it last took its state over, or kept it as the others' was the same; 0 for none. */
    begunIn: count,
  }),
  started: z.strictObject({
    workerId: id,
    ringEpoch: count,
    nextUpdate: count,
    stateFingerprint: fingerprint,
  }),
  report: z.strictObject({
    workerId: id,
    ringEpoch: count,
    nextUpdate: count,
    rows: z.array(row).max(limits.maxReportRows),
    fingerprints: z.array(z.strictObject({ update: count, fingerprint })).max(256),
    totals,
  }),
  /** Asks again for assignments that have not come. */
  need: z.strictObject({
    workerId: id,
    ringEpoch: count,
    step: count,
    shards: z.array(count).max(limits.maxShards),
  }),
  /** The worker cannot go on in this ring epoch: repeated until the next survey. */
  failure: z.strictObject({
    workerId: id,
    ringEpoch: count,
    code: z.string().max(64),
    message: text,
    /** The member whose link was lost or silent; null when the fault is not a link's. */
    neighbour: id.nullable(),
  }),
  /** The grid of sample images after `step` steps: repeated until the coordinator has it. */
  sample: z.strictObject({ workerId: id, ringEpoch: count, step: count, images: pixels }),
  checkpointed: z.strictObject({
    workerId: id,
    task: id,
    update: count,
    file: fileRecordSchema,
    stateFingerprint: fingerprint,
  }),
  exported: z.strictObject({
    workerId: id,
    task: id,
    update: count,
    /** Of the whole replica state before `update`. */
    stateSha256: sha256,
    files: z.array(fileRecordSchema).max(32),
  }),
  taskFailed: z.strictObject({ workerId: id, task: id, message: text }),
  /** Asks to be let go, and helps until then: repeated until released. */
  leaving: z.strictObject({ workerId: id, reason: text }),
  /** Gone. */
  goodbye: z.strictObject({ workerId: id, reason: text }),
  /** By whoever started a process and saw its end: what the worker can no longer say itself. */
  exited: z.strictObject({ hostname: z.string().max(255), pid: count, reason: text }),
} as const;

const member = z.strictObject({
  workerId: id,
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
});
export type RingMember = z.infer<typeof member>;

/** Where a worker that does not hold the start's state takes it from. */
const stateSource = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('initial') }),
  z.strictObject({ kind: z.literal('checkpoint'), object: z.string().max(255), sha256, update: count }),
  z.strictObject({ kind: z.literal('peer'), peer: member }),
]);
export type StateSource = z.infer<typeof stateSource>;

/**
 * Of the coordinator that speaks: the revision by which it took the lead. Whoever has heard a higher one takes no notice
 * of a lower one, so that a leader that was paused and wakes up changes nothing.
 */
const term = count;

/** Coordinator to one worker. */
export const downSchemas = {
  welcome: z.strictObject({
    term,
    runId: id,
    spec: z.union([runSpecSchema, runSpecDraftSchema]),
    /** The card that is leased to the worker, or that it holds already; null for an engine that needs none. */
    device: device.nullable(),
  }),
  /** Answer to a hello for which no card is free: it is welcomed when there is one. */
  wait: z.strictObject({ term, message: text }),
  refused: z.strictObject({
    term,
    /** `device`: another worker has its card. Unlike the others it may be started again as it is. */
    code: z.enum(['usage', 'fingerprint-mismatch', 'protocol', 'device']),
    message: text,
  }),
  /** Opens a ring epoch; sent again until acknowledged by `started`. Also to a source that is no member. */
  start: z.strictObject({
    term,
    ringEpoch: count,
    members: z.array(member).min(1).max(limits.maxWorkers),
    /** Hex; proves membership on the ring's sockets and never crosses them. */
    secret: z.string().regex(/^[0-9a-f]{64}$/),
    nextUpdate: count,
    /** Of the state before `nextUpdate`; null for the initial one, which everybody makes. */
    stateFingerprint: fingerprint.nullable(),
    source: stateSource,
    /** Rows below this one are committed. */
    committed: count,
    /** Rank 0 reports this often. */
    reportEverySteps: count.min(1),
    /** When sample images are made: see isSampleStep. */
    sampleEverySteps: count.min(1),
    /** Samples of up to this many steps are there. */
    sampledSteps: count,
  }),
  /** Before `update`, put the replica state into the object store. Sent again until done. */
  checkpoint: z.strictObject({
    term,
    ringEpoch: count,
    task: id,
    update: count,
    object: z.string().max(255),
  }),
  /** Before `update`, put the networks' files into the object store below `prefix`. Sent again until done. */
  export: z.strictObject({
    term,
    ringEpoch: count,
    task: id,
    update: count,
    networks: z.array(z.enum(NETWORK_NAMES)).min(1).max(NETWORK_NAMES.length),
    prefix: z.string().max(200),
  }),
  /** Report at once before `update`, with a fingerprint of the state. */
  settle: z.strictObject({ term, ringEpoch: count, update: count }),
  /** Answer to `leaving`: nobody needs this worker any more. */
  released: z.strictObject({ term }),
} as const;

/** Coordinator to every worker. */
export const allSchemas = {
  /** A coordinator has come up: everybody says hello. */
  announce: z.strictObject({ term, runId: id }),
  /** Leave the ring epoch and say where you stand. Starts that follow carry a ring epoch above `ringEpoch`. */
  survey: z.strictObject({ term, survey: count, ringEpoch: count }),
  /** Samples of up to `step` steps are there. */
  sampled: z.strictObject({ term, step: count }),
  /** The run is over. */
  stop: z.strictObject({ term, reason: text, failed: z.boolean() }),
} as const;

/** Coordinator to whoever watches. */
export const outSchemas = {
  status: z.strictObject({
    runId: id,
    phase: z.enum(['gathering', 'starting', 'training', 'finishing', 'ended']),
    step: count,
    steps: count,
    stepsPerPass: count,
    imagesPerSecond: z.number().nullable(),
    etaS: z.number().nullable(),
    discriminatorLoss: measure,
    generatorLoss: measure,
    discriminatorReal: measure,
    discriminatorFake: measure,
    workers: count,
    spares: count,
    /** Workers that failed again and again and are kept out for a while. */
    keptOut: count,
    ringEpoch: count,
    /** Why the ring epoch was opened, in words. */
    ringEpochReason: text,
    dataset: z.string().max(256),
    engine: z.string().max(64).nullable(),
  }),
  /** Something that happened, in words. */
  event: z.strictObject({ runId: id, level: z.enum(['info', 'warning', 'error']), text }),
  /** There is no run to tell of yet: what is done for it, in words, again and again. */
  preparing: z.strictObject({ text }),
  /** The last word of a run; of none that has a name when it could not even be opened. */
  ended: z.strictObject({
    runId: id.nullable(),
    outcome: z.enum(['done', 'interrupted', 'failed']),
    exitStatus: z.int().min(0).max(255),
    message: text,
  }),
} as const;

/** To whoever started a local cluster, and its answer. */
export const launcherSchemas = {
  scale: z.strictObject({ workers: z.int().min(1).max(limits.maxWorkers) }),
  scaled: z.strictObject({ before: count, workers: count, shards: count }),
} as const;

export type UpTopic = keyof typeof upSchemas;
export type DownTopic = keyof typeof downSchemas;
export type AllTopic = keyof typeof allSchemas;
export type OutTopic = keyof typeof outSchemas;
export type UpMessage<T extends UpTopic> = z.infer<(typeof upSchemas)[T]>;
export type DownMessage<T extends DownTopic> = z.infer<(typeof downSchemas)[T]>;
export type AllMessage<T extends AllTopic> = z.infer<(typeof allSchemas)[T]>;
export type OutMessage<T extends OutTopic> = z.infer<(typeof outSchemas)[T]>;
