import type { CheckpointRecord } from '../../../../coordinator/membership.js';
import type { RecordedRun } from '../../../../coordinator/run-state.js';
import type { SimClient } from './network.js';
import { ConflictError, type Done, type KvEntry, type SimStore } from './store.js';

/** Another coordinator has written where this one was to write. */
export class OutdatedError extends Error {}

export interface SimRing {
  readonly attempt: string;
  readonly world: readonly string[];
  readonly trustedFrom: number;
}

interface Pointer {
  readonly newest: CheckpointRecord;
  readonly older: readonly CheckpointRecord[];
}

export interface SimLead {
  readonly holder: string;
  readonly beat: number;
  readonly ended: { readonly outcome: 'done' | 'interrupted' | 'failed' } | null;
}

const KEPT = 3;

export const stateObjectName = (step: number, term: number, task: string): string =>
  `state-${step}-${term}-${task}`;
const termOf = (name: string): number => Number(name.split('-')[2]);

/** RunStore's ways with the store, step by step. */
export class SimRunStore {
  private ringRevision = 0;
  private ring: Omit<SimRing, 'attempt'> = { world: [], trustedFrom: 0 };
  private pointerRevision = 0;
  private pointer: Pointer | null = null;
  private attempts = 0;

  constructor(
    private readonly store: SimStore,
    private readonly client: SimClient,
    private readonly holder: string,
  ) {}

  get recorded(): RecordedRun {
    return {
      checkpoint: this.pointer?.newest ?? null,
      ringEpoch: this.ringRevision,
      world: this.ring.world,
      trustedFrom: this.ring.trustedFrom,
    };
  }

  refresh(done: Done<true>): void {
    const { store, client } = this;
    store.get(client, 'ring', (ring) => {
      if (ring instanceof Error) return done(ring);
      this.ringRevision = ring?.revision ?? 0;
      this.ring = ring === null ? { world: [], trustedFrom: 0 } : (ring.value as SimRing);
      store.get(client, 'checkpoint', (pointer) => {
        if (pointer instanceof Error) return done(pointer);
        this.pointerRevision = pointer?.revision ?? 0;
        this.pointer = pointer === null ? null : (pointer.value as Pointer);
        done(true);
      });
    });
  }

  writeRing(ring: Omit<SimRing, 'attempt'>, done: Done<number>): void {
    const attempt = `${this.holder}-${++this.attempts}`;
    const isOurs = (found: unknown): boolean => (found as SimRing).attempt === attempt;
    this.compareAndSet('ring', { attempt, ...ring }, this.ringRevision, isOurs, (revision) => {
      if (!(revision instanceof Error)) this.ringRevision = revision;
      done(revision);
    });
  }

  /** Stores the history beside the state, moves the pointer, drops what is no longer kept. */
  commitCheckpoint(
    record: Omit<CheckpointRecord, 'historyObject'>,
    history: Uint8Array,
    done: Done<CheckpointRecord>,
  ): void {
    const { store, client } = this;
    const historyObject = `${record.object}.history`;
    const complete: CheckpointRecord = { ...record, historyObject };
    store.getObject(client, record.object, (state) => {
      if (state instanceof Error) return done(state);
      if (state === null) return done(new Error(`found no ${record.object}`));
      store.putObject(client, historyObject, history, (stored) => {
        if (stored instanceof Error) return done(stored);
        this.movePointer(complete, done);
      });
    });
  }

  private movePointer(complete: CheckpointRecord, done: Done<CheckpointRecord>): void {
    const known = this.pointer === null ? [] : [this.pointer.newest, ...this.pointer.older];
    const pointer: Pointer = { newest: complete, older: known.slice(0, KEPT - 1) };
    const isOurs = (found: unknown): boolean => (found as Pointer).newest.object === complete.object;
    this.compareAndSet('checkpoint', pointer, this.pointerRevision, isOurs, (revision) => {
      if (revision instanceof Error) return done(revision);
      this.pointerRevision = revision;
      this.pointer = pointer;
      this.dropUnkept(pointer, (dropped) => done(dropped instanceof Error ? dropped : complete));
    });
  }

  private dropUnkept({ newest, older }: Pointer, done: Done<true>): void {
    const { store, client } = this;
    const kept = new Set([newest, ...older].flatMap(({ object, historyObject }) => [object, historyObject]));
    store.listObjects(client, (names) => {
      if (names instanceof Error) return done(names);
      // Those of a later lead stay.
      const isOwn = (name: string): boolean => termOf(name) <= termOf(newest.object);
      const rest = names.filter((name) => name.startsWith('state-') && !kept.has(name) && isOwn(name));
      const next = (): void => {
        const name = rest.pop();
        if (name === undefined) return done(true);
        store.deleteObject(client, name, (deleted) => (deleted instanceof Error ? done(deleted) : next()));
      };
      next();
    });
  }

  readLead(done: Done<KvEntry | null>): void {
    this.store.get(this.client, 'leader', done);
  }

  writeLead(lead: SimLead, revision: number, done: Done<number>): void {
    const isOurs = (found: unknown): boolean => {
      const { holder, beat } = found as SimLead;
      return holder === lead.holder && beat === lead.beat;
    };
    this.compareAndSet('leader', lead, revision, isOurs, (written) => {
      if (!(written instanceof OutdatedError)) return done(written);
      this.readLead((found) => {
        // An earlier renewal of its own may have gone through late.
        if (found instanceof Error || found === null || found.revision === revision) return done(written);
        if ((found.value as SimLead).holder !== lead.holder) return done(written);
        this.compareAndSet('leader', lead, found.revision, isOurs, done);
      });
    });
  }

  /** An answer may have been lost on its way: then what is found tells whether it went through. */
  private compareAndSet(
    key: string,
    value: unknown,
    revision: number,
    isOurs: (found: unknown) => boolean,
    done: Done<number>,
  ): void {
    const { store, client } = this;
    store.put(client, key, value, revision, (written) => {
      if (!(written instanceof Error)) return done(written);
      store.get(client, key, (found) => {
        if (found instanceof Error) return done(found);
        if (found !== null && isOurs(found.value)) return done(found.revision);
        const conflict = written instanceof ConflictError || (found?.revision ?? 0) !== revision;
        done(conflict ? new OutdatedError(`key ${key} was changed by another coordinator`) : written);
      });
    });
  }
}
