import { StorageType, type KV, type NatsConnection, type ObjectStore } from 'nats';
import { z } from 'zod';
import {
  OperationalError,
  limits,
  messageOf,
  runSpecSchema,
  type RunSpec,
  type StateSource,
} from '../proto/index.js';
import { objectStoreName, runBucketName } from '../proto/runtime/stores.js';
import type { CheckpointRecord } from './membership.js';

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
export interface RingRecord {
  readonly world: readonly string[];
  readonly spares: readonly string[];
  readonly nextUpdate: number;
  readonly source: StateSource;
  readonly reason: string;
}

const text = new TextEncoder();
const pack = (value: unknown): Uint8Array => text.encode(JSON.stringify(value));

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
  private pointerRevision = 0;
  private pointer: z.infer<typeof pointerSchema> | null = null;

  private constructor(
    private readonly kv: KV,
    private readonly objects: ObjectStore,
  ) {}

  static async open(connection: NatsConnection, runId: string): Promise<RunStore> {
    try {
      const jetstream = connection.jetstream();
      const kv = await jetstream.views.kv(runBucketName(runId), { history: 1, storage: StorageType.File });
      const objects = await jetstream.views.os(objectStoreName(runId), { storage: StorageType.File });
      const store = new RunStore(kv, objects);
      store.ringRevision = (await kv.get('ring'))?.revision ?? 0;
      const pointer = await kv.get('checkpoint');
      if (pointer !== null) {
        store.pointerRevision = pointer.revision;
        store.pointer = pointerSchema.parse(pointer.json());
      }
      return store;
    } catch (error) {
      if (error instanceof z.ZodError)
        throw new OperationalError('checkpoint', 'the run record in JetStream is of another version');
      throw new OperationalError(
        'bus',
        `JetStream was expected on the NATS server: ${messageOf(error)}; start it with -js`,
      );
    }
  }

  get checkpoint(): CheckpointRecord | null {
    return this.pointer?.newest ?? null;
  }

  async readRecord(): Promise<RunRecord | null> {
    const entry = await this.kv.get('record');
    return entry === null ? null : recordSchema.parse(entry.json());
  }

  async writeRecord(spec: RunSpec, steps: number): Promise<void> {
    await this.kv.put('record', pack({ spec, steps }));
  }

  /** Writes a ring epoch by compare-and-set and returns its number, which is larger than every one before. */
  async writeRing(record: RingRecord): Promise<number> {
    this.ringRevision = await this.kv.put('ring', pack(record), { previousSeq: this.ringRevision });
    return this.ringRevision;
  }

  async readHistory(record: CheckpointRecord): Promise<Uint8Array | null> {
    return record.historyObject === null ? null : readObject(this.objects, record.historyObject);
  }

  /** Stores the history beside a state that a worker has stored, moves the pointer, drops what is no longer kept. */
  async commitCheckpoint(
    record: Omit<CheckpointRecord, 'historyObject'>,
    history: Uint8Array,
  ): Promise<CheckpointRecord> {
    const info = await this.objects.info(record.object);
    if (info === null) {
      throw new OperationalError(
        'checkpoint',
        `state ${record.object} was expected in the object store, found none`,
      );
    }
    const historyObject = `${record.object}.history`;
    await this.objects.putBlob({ name: historyObject }, history);
    const complete: CheckpointRecord = { ...record, historyObject };
    const known = this.pointer === null ? [] : [this.pointer.newest, ...this.pointer.older];
    const kept = known.slice(0, limits.checkpointsKept - 1);
    const pointer = { newest: complete, older: kept };
    this.pointerRevision = await this.kv.put('checkpoint', pack(pointer), {
      previousSeq: this.pointerRevision,
    });
    this.pointer = pointer;
    for (const old of known.slice(limits.checkpointsKept - 1)) {
      await this.objects.delete(old.object);
      if (old.historyObject !== null) await this.objects.delete(old.historyObject);
    }
    return complete;
  }

  /** One of the files that a worker has put there. */
  readFile(name: string): Promise<Uint8Array> {
    return readObject(this.objects, name);
  }
}
