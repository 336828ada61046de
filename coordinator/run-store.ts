import { randomUUID } from 'node:crypto';
import {
  ErrorCode,
  StorageType,
  type JetStreamManager,
  type KV,
  type KvEntry,
  type NatsConnection,
  type NatsError,
  type ObjectStore,
  type StoredMsg,
} from 'nats';
import { z } from 'zod';
import {
  OperationalError,
  UsageError,
  limits,
  messageOf,
  runSpecSchema,
  type FileRecord,
  type RunSpec,
  type StateSource,
} from '../proto/index.js';
import { sha256Of } from '../proto/runtime/sha256.js';
import {
  everyObjectInfo,
  objectChunkSubject,
  objectInfoSubject,
  objectNameOf,
  objectStoreName,
  objectStreamName,
  runBucketName,
  runStreamName,
} from '../proto/runtime/stores.js';
import { errorCode } from './jetstream-error.js';
import type { CheckpointRecord } from './membership.js';
import type { RecordedRun } from './run-state.js';
import { keepCopies } from './stream-copies.js';

const checkpointSchema = z.strictObject({
  update: z.int().min(0),
  object: z.string(),
  sha256: z.string(),
  stateFingerprint: z.string(),
  historyObject: z.string().nullable(),
});

const pointerSchema = z.strictObject({
  newest: checkpointSchema,
  /** Older ones that are still kept, newest first. */
  older: z.array(checkpointSchema),
});

const recordSchema = z.strictObject({ spec: runSpecSchema, steps: z.int().min(0) });
export type RunRecord = z.infer<typeof recordSchema>;

/** What a ring epoch's record holds; its revision is the ring epoch's number. */
const ringSchema = z.object({
  /** Of the attempt to write it: tells whether a write without an answer went through. */
  attempt: z.string(),
  world: z.array(z.string()),
  spares: z.array(z.string()),
  nextUpdate: z.int(),
  reason: z.string(),
  trustedFrom: z.int(),
});
export type RingRecord = Omit<z.infer<typeof ringSchema>, 'attempt'> & { readonly source: StateSource };

/**
 * Who leads a run, for one who may read its record and nothing else: no bucket is made. Null before anybody led. Throws what
 * NATS says.
 */
export async function readLead(connection: NatsConnection, runId: string): Promise<Lead | null> {
  const jetstream = connection.jetstream({ checkAPI: false, timeout: KEY_TIMEOUT_MS });
  // Direct reading is what RunStore's bucket allows: nats.js makes it so.
  const kv = await jetstream.views.kv(runBucketName(runId), { bindOnly: true, allow_direct: true });
  const entry = await kv.get(LEAD_KEY);
  return entry === null ? null : leadSchema.parse(entry.json());
}

/** Another coordinator has written where this one was to write. */
export class OutdatedError extends OperationalError {
  override readonly name = 'OutdatedError';
  constructor(what: string) {
    super('run-failed', `${what} was changed by another coordinator`);
  }
}

/** The server's answer to a compare-and-set that found another revision. */
const WRONG_LAST_SEQUENCE = 10_071;

/** nats.js's code for its answer when there is no such message. */
const NOT_FOUND = '404';

/** The server's answers when what it may store is stored: by all of it, by its disk, by an account. */
const NO_ROOM: readonly number[] = [10_023, 10_047, 10_002];

const isConflict = (error: unknown): boolean => errorCode(error) === WRONG_LAST_SEQUENCE;

const leadSchema = z.strictObject({
  /** The coordinator that leads. */
  holder: z.string(),
  /** Grows with every renewal. */
  beat: z.int(),
  /** Set when the run has ended: whoever stands by ends with it. */
  ended: z
    .strictObject({
      outcome: z.enum(['done', 'interrupted', 'failed']),
      exitStatus: z.int(),
      message: z.string(),
      /** Steps that were planned: a run that is made longer goes on. */
      steps: z.int(),
    })
    .nullable(),
});
export type Lead = z.infer<typeof leadSchema>;

const LEAD_KEY = 'leader';

/** For one key to be read or written. An answer that was lost with a server is not waited for long. */
const KEY_TIMEOUT_MS = 1_500;

const STATE_PREFIX = 'state-';

/** Name of the object that holds a checkpoint's state; that of its history begins with it. */
export const stateObjectName = (step: number, term: number, task: string): string =>
  `${STATE_PREFIX}${step}-${term}-${task}`;

const EXPORT_PREFIX = 'newest-';

/** What the names of the objects of an export in mid-run begin with. */
export const exportPrefix = (step: number, term: number, task: string): string =>
  `${EXPORT_PREFIX}${step}-${term}-${task}`;

/** Of the lead under which a state or an export was asked for. */
const termOf = (name: string): number => Number(name.split('-')[2] ?? 0);

const text = new TextEncoder();
const pack = (value: unknown): Uint8Array => text.encode(JSON.stringify(value));

/** What tells an object's chunks from others': letters and digits, so that no filter made of it means more than them. */
const chunksId = z.string().regex(/^[A-Za-z0-9]+$/);
const descriptionSchema = z.object({ nuid: chunksId, chunks: z.int().min(0) });
type Description = z.infer<typeof descriptionSchema>;

/** Null when a description is none. */
function parseDescription(message: StoredMsg): Description | null {
  try {
    return descriptionSchema.parse(message.json());
  } catch {
    return null;
  }
}

async function readObject(objects: ObjectStore, name: string): Promise<Uint8Array> {
  const bytes = await objects.getBlob(name);
  if (bytes === null)
    throw new OperationalError('checkpoint', `object ${name} was expected in the object store, found none`);
  return bytes;
}

/**
 * A run's record, ring epochs and checkpoints in JetStream. Ring epochs and the pointer change by compare-and-set only,
 * so that of two coordinators at most one gets its way; objects have unique names and only the pointer moves.
 */
export class RunStore {
  private ringRevision = 0;
  private ring: Pick<z.infer<typeof ringSchema>, 'world' | 'trustedFrom'> = { world: [], trustedFrom: 0 };
  private pointerRevision = 0;
  private pointer: z.infer<typeof pointerSchema> | null = null;

  private constructor(
    private readonly kv: KV,
    /** The same bucket, answered by who leads its stream: of several copies another one may not have the newest yet. */
    private readonly led: KV,
    private readonly objects: ObjectStore,
    private readonly streams: JetStreamManager['streams'],
    private readonly runId: string,
  ) {}

  /**
   * Opens what there is of a run, or makes it.
   * @param replicas copies that JetStream keeps of all of it, each on another server of a NATS cluster; of a run that is
   * there it keeps that many from now on. Null for as many as it has, one of a new run
   */
  static async open(connection: NatsConnection, runId: string, replicas: number | null): Promise<RunStore> {
    try {
      const jetstream = connection.jetstream();
      const { views } = connection.jetstream({ timeout: KEY_TIMEOUT_MS });
      const bucket = runBucketName(runId);
      const kv = await views.kv(bucket, { history: 1, storage: StorageType.File });
      const led = await views.kv(bucket, { bindOnly: true, allow_direct: false });
      const objects = await jetstream.views.os(objectStoreName(runId), { storage: StorageType.File });
      const { streams } = await connection.jetstreamManager();
      for (const stream of [runStreamName(runId), objectStreamName(objectStoreName(runId))])
        await keepCopies(streams, stream, replicas);
      return new RunStore(kv, led, objects, streams, runId);
    } catch (error) {
      if (error instanceof OperationalError) throw error;
      if ((error as NatsError).code === (ErrorCode.PermissionsViolation as string))
        throw new UsageError(
          `the NATS server does not let these credentials use JetStream (${messageOf(error)}): are they the coordinator's of this cluster?`,
        );
      throw new OperationalError(
        'bus',
        `JetStream was expected on the NATS server: ${messageOf(error)}; start it with -js`,
      );
    }
  }

  /** Reads what others have written, before this coordinator writes on it. */
  async refresh(): Promise<void> {
    try {
      const ring = await this.read('ring');
      this.ringRevision = ring?.revision ?? 0;
      this.ring = ring === null ? { world: [], trustedFrom: 0 } : ringSchema.parse(ring.json());
      const pointer = await this.read('checkpoint');
      this.pointerRevision = pointer?.revision ?? 0;
      this.pointer = pointer === null ? null : pointerSchema.parse(pointer.json());
    } catch (error) {
      if (!(error instanceof z.ZodError)) throw error;
      throw new OperationalError('checkpoint', 'the run record in JetStream is of another version');
    }
  }

  /** Throws OperationalError('bus') when the store does not answer. */
  private async read(key: string): Promise<KvEntry | null> {
    try {
      return await this.led.get(key);
    } catch (error) {
      throw new OperationalError('bus', `the run's record in JetStream cannot be read: ${messageOf(error)}`);
    }
  }

  /** What there is to go on from. */
  get recorded(): RecordedRun {
    const { world, trustedFrom } = this.ring;
    return { checkpoint: this.checkpoint, ringEpoch: this.ringRevision, world, trustedFrom };
  }

  get checkpoint(): CheckpointRecord | null {
    return this.pointer?.newest ?? null;
  }

  async readRecord(): Promise<RunRecord | null> {
    const entry = await this.read('record');
    return entry === null ? null : recordSchema.parse(entry.json());
  }

  async writeRecord(spec: RunSpec, steps: number): Promise<void> {
    await this.kv.put('record', pack({ spec, steps }));
  }

  /**
   * Writes a ring epoch by compare-and-set and returns its number, which is larger than every one before. Throws
   * OutdatedError when another coordinator has written one meanwhile.
   */
  async writeRing(record: RingRecord): Promise<number> {
    const attempt = randomUUID();
    this.ringRevision = await this.compareAndSet(
      'ring',
      { attempt, ...record },
      this.ringRevision,
      (found) => ringSchema.safeParse(found).data?.attempt === attempt,
    );
    return this.ringRevision;
  }

  /**
   * @param isOurs tells from a value that was found whether it is the one that was to be written: an answer may have
   * been lost on its way
   */
  private async compareAndSet(
    key: string,
    value: unknown,
    revision: number,
    isOurs: (found: unknown) => boolean,
  ): Promise<number> {
    try {
      return await this.putMakingRoom(key, pack(value), revision);
    } catch (error) {
      const found = await this.led.get(key);
      if (found !== null && isOurs(found.json())) return found.revision;
      throw isConflict(error) || (found?.revision ?? 0) !== revision
        ? new OutdatedError(`key ${key}`)
        : error;
    }
  }

  /** In a store without room, what is left over in it makes some: a run that can write none of its keys stands still. */
  private async putMakingRoom(key: string, value: Uint8Array, previousSeq: number): Promise<number> {
    try {
      return await this.kv.put(key, value, { previousSeq });
    } catch (error) {
      if (!NO_ROOM.includes(errorCode(error))) throw error;
      await this.dropLeftOver();
      return this.kv.put(key, value, { previousSeq });
    }
  }

  async readHistory(record: CheckpointRecord): Promise<Uint8Array | null> {
    return record.historyObject === null ? null : readObject(this.objects, record.historyObject);
  }

  /** Stores the history beside a state that a worker has stored, moves the pointer, drops what is no longer kept. */
  async commitCheckpoint(
    record: Omit<CheckpointRecord, 'historyObject'>,
    history: Uint8Array,
  ): Promise<CheckpointRecord> {
    await this.expectWhole(record.object);
    const historyObject = `${record.object}.history`;
    await this.objects.putBlob({ name: historyObject }, history);
    const complete: CheckpointRecord = { ...record, historyObject };
    const known = this.pointer === null ? [] : [this.pointer.newest, ...this.pointer.older];
    const kept = known.slice(0, limits.checkpointsKept - 1);
    const pointer = { newest: complete, older: kept };
    this.pointerRevision = await this.compareAndSet(
      'checkpoint',
      pointer,
      this.pointerRevision,
      (found) => pointerSchema.safeParse(found).data?.newest.object === complete.object,
    );
    this.pointer = pointer;
    await this.dropUnkept(pointer);
    return complete;
  }

  /** A state whose chunks are not all there, since they were taken for left over, is no checkpoint. */
  private async expectWhole(name: string): Promise<void> {
    const description = await this.describe(name);
    if (description === null)
      throw new OperationalError('checkpoint', `state ${name} was expected in the object store, found none`);
    const { nuid, chunks } = description;
    const found = (await this.storedChunks(nuid)).get(nuid) ?? 0;
    if (found !== chunks)
      throw new OperationalError('checkpoint', `state ${name} has ${found} of ${chunks} chunks in the store`);
  }

  /**
   * Removes older checkpoints, and states that were stored for checkpoints that came to nothing. Those of a later lead
   * stay: another coordinator may have taken over since the pointer was moved.
   */
  private async dropUnkept({ newest, older }: z.infer<typeof pointerSchema>): Promise<void> {
    const kept = new Set([newest, ...older].flatMap(({ object, historyObject }) => [object, historyObject]));
    const term = termOf(newest.object);
    for (const name of await this.objectNames())
      if (name.startsWith(STATE_PREFIX) && !kept.has(name) && termOf(name) <= term) await this.remove(name);
  }

  /**
   * Removes what was exported in mid-run under leads up to `term`: its files are taken over, or nobody waits for them any
   * more. Nothing stays of them, not even a note that they were there, since there may be many in a long run.
   */
  async dropExports(term: number): Promise<void> {
    for (const name of await this.objectNames())
      if (name.startsWith(EXPORT_PREFIX) && termOf(name) <= term) await this.remove(name);
  }

  /**
   * Removes chunks that no description leads to: of an object whose worker was killed while it stored it, or found no room even
   * to take back what it had begun. They may fill the store for good, and in a full one no lead is renewed. An object that is
   * being stored meanwhile is not whole afterwards: its readers find that, and it is stored again.
   */
  async dropLeftOver(): Promise<void> {
    const store = objectStoreName(this.runId);
    const stored = [...(await this.storedChunks('*')).keys()];
    // Descriptions after chunks: what is whole by now is not taken for left over.
    const names = await this.objectNames();
    const described = new Set(
      await Promise.all(names.map(async (name) => (await this.describe(name))?.nuid)),
    );
    for (const id of stored)
      if (!described.has(id) && chunksId.safeParse(id).success)
        await this.streams.purge(objectStreamName(store), { filter: objectChunkSubject(store, id) });
  }

  /** Of each object, by what tells its chunks from others', the number of chunks in the store; `id` may be `*`. */
  private async storedChunks(id: string): Promise<Map<string, number>> {
    const store = objectStoreName(this.runId);
    const prefix = objectChunkSubject(store, '').length;
    const counts = await this.subjects(objectChunkSubject(store, id));
    return new Map(counts.map(([subject, count]) => [subject.slice(prefix), count]));
  }

  /** Whatever a worker may have written as their descriptions, on which the list of nats.js waits for ever. */
  private async objectNames(): Promise<string[]> {
    const described = await this.subjects(everyObjectInfo(objectStoreName(this.runId)));
    return described.map(([subject]) => objectNameOf(subject));
  }

  /** Subjects of the object store, with the number of messages on each. */
  private async subjects(filter: string): Promise<[subject: string, count: number][]> {
    const stream = objectStreamName(objectStoreName(this.runId));
    const { state } = await this.streams.info(stream, { subjects_filter: filter });
    return Object.entries(state.subjects ?? {});
  }

  /** Null when there is no such object, or what stands there describes none. */
  private async describe(name: string): Promise<Description | null> {
    const store = objectStoreName(this.runId);
    try {
      const query = { last_by_subj: objectInfoSubject(store, name) };
      return parseDescription(await this.streams.getMessage(objectStreamName(store), query));
    } catch (error) {
      if ((error as NatsError).code === NOT_FOUND) return null;
      throw error;
    }
  }

  /** Removes an object, with its description: nats.js would leave that, with a note that the object is deleted. */
  private async remove(name: string): Promise<void> {
    const store = objectStoreName(this.runId);
    const stream = objectStreamName(store);
    const description = await this.describe(name);
    // In this order: without its description nobody would find the chunks again.
    if (description !== null)
      await this.streams.purge(stream, { filter: objectChunkSubject(store, description.nuid) });
    await this.streams.purge(stream, { filter: objectInfoSubject(store, name) });
  }

  /** Who leads; null before anybody did. */
  async readLead(): Promise<{ readonly revision: number; readonly lead: Lead } | null> {
    const entry = await this.led.get(LEAD_KEY);
    return entry === null ? null : { revision: entry.revision, lead: leadSchema.parse(entry.json()) };
  }

  /**
   * Takes, renews or ends the lead; returns its revision. Throws OutdatedError when somebody else was quicker. A beat of its
   * own that went through late, after its writer had given it up, is written over.
   */
  async writeLead(lead: Lead, revision: number): Promise<number> {
    const isThisBeat = (found: unknown): boolean => {
      const { data } = leadSchema.safeParse(found);
      return data?.holder === lead.holder && data.beat === lead.beat;
    };
    try {
      return await this.compareAndSet(LEAD_KEY, lead, revision, isThisBeat);
    } catch (error) {
      if (!(error instanceof OutdatedError)) throw error;
      const found = await this.readLead();
      if (found?.lead.holder !== lead.holder || found.revision === revision) throw error;
      return this.compareAndSet(LEAD_KEY, lead, found.revision, isThisBeat);
    }
  }

  /** One of the files that a worker has put there. Throws OperationalError when it is not the one that it told of. */
  async readFile({ name, sha256 }: FileRecord): Promise<Uint8Array> {
    const bytes = await readObject(this.objects, name);
    if (sha256Of(bytes) === sha256) return bytes;
    throw new OperationalError('checkpoint', `object ${name} is not the one that its worker has stored`);
  }
}
