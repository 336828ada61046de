import type { SimClient, SimNetwork } from './network.js';

/** What the client library waits for an answer. */
const KEY_TIMEOUT_MS = 1_500;
const OBJECT_TIMEOUT_MS = 5_000;

/** Another value than the expected one was found. */
export class ConflictError extends Error {}

class RefusedError extends Error {}

/** A result, or the error in its place. */
export type Done<T> = (result: T | Error) => void;

export interface KvEntry {
  readonly revision: number;
  readonly value: unknown;
}

/** JetStream: one bucket of keys with one counter of revisions, and objects. What is acknowledged stays, whatever dies. */
export class SimStore {
  /** Writes fail, at once: all of them, or those of objects. */
  refuses = 0;
  refusesObjects = 0;
  /** Writes succeed and their answers are lost. */
  mute = 0;
  /** Told of each key that is written. */
  onWritten: (key: string) => void = () => undefined;
  readonly objects = new Map<string, unknown>();
  private revision = 0;
  private readonly entries = new Map<string, KvEntry>();

  constructor(private readonly network: SimNetwork) {}

  get(client: SimClient, key: string, done: Done<KvEntry | null>): void {
    this.request(client, KEY_TIMEOUT_MS, false, () => this.entries.get(key) ?? null, done);
  }

  /** @param expected the revision to be replaced, 0 for none, null for whichever is there */
  put(client: SimClient, key: string, value: unknown, expected: number | null, done: Done<number>): void {
    const work = (): number => {
      if (expected !== null && (this.entries.get(key)?.revision ?? 0) !== expected)
        throw new ConflictError('wrong last sequence');
      this.revision += 1;
      this.entries.set(key, { revision: this.revision, value });
      this.onWritten(key);
      return this.revision;
    };
    this.request(client, KEY_TIMEOUT_MS, true, work, done);
  }

  putObject(client: SimClient, name: string, value: unknown, done: Done<true>): void {
    const work = (): true => {
      if (this.refusesObjects > 0) throw new RefusedError('no space left');
      this.objects.set(name, value);
      return true;
    };
    this.request(client, OBJECT_TIMEOUT_MS, true, work, done);
  }

  getObject(client: SimClient, name: string, done: Done<unknown>): void {
    this.request(client, OBJECT_TIMEOUT_MS, false, () => this.objects.get(name) ?? null, done);
  }

  listObjects(client: SimClient, done: Done<string[]>): void {
    this.request(client, OBJECT_TIMEOUT_MS, false, () => [...this.objects.keys()], done);
  }

  deleteObject(client: SimClient, name: string, done: Done<boolean>): void {
    this.request(client, OBJECT_TIMEOUT_MS, true, () => this.objects.delete(name), done);
  }

  /** What is there, for the checks. */
  peek(key: string): KvEntry | null {
    return this.entries.get(key) ?? null;
  }

  private request<T>(
    client: SimClient,
    timeoutMs: number,
    writes: boolean,
    work: () => T,
    done: Done<T>,
  ): void {
    let settled = false;
    const settle = (result: T | Error): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      done(result);
    };
    const timer = client.process.after(timeoutMs, () => settle(new Error('no answer')));
    this.network.toServer(client, () => {
      const result = this.carryOut(writes, work);
      if (!writes || this.mute === 0) this.network.fromServer(client, () => settle(result));
    });
  }

  private carryOut<T>(writes: boolean, work: () => T): T | Error {
    if (writes && this.refuses > 0) return new RefusedError('no space left');
    try {
      return work();
    } catch (error) {
      if (error instanceof ConflictError || error instanceof RefusedError) return error;
      throw error;
    }
  }
}
