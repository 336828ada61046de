import type { CheckpointRecord } from '../../../coordinator/membership.js';
import { advance } from '../../../coordinator/run-machine.js';
import {
  initialRunState,
  type RecordedRun,
  type RunCommand,
  type RunEvent,
  type RunPlan,
  type RunState,
} from '../../../coordinator/run-state.js';
import {
  NO_TOTALS,
  PROTOCOL_VERSION,
  RECIPES,
  TUTORIAL_MODEL,
  type RunSpecDraft,
  type UpMessage,
  type UpdateRow,
} from '../../../proto/index.js';

const recipe = RECIPES['tutorial']?.recipe;
if (recipe === undefined) throw new Error('the tutorial is a recipe');
export const DRAFT: RunSpecDraft = {
  version: 1,
  seed: 1,
  model: TUTORIAL_MODEL,
  recipe,
  dataset: { name: 'MNIST', sha256: 'a'.repeat(64), images: 1_000 },
  shards: 4,
  shardBatch: 10,
  engine: 'auto',
};
const PLAN: RunPlan = {
  runId: 'run',
  steps: 20,
  prefetch: 2,
  expectedWorkers: 2,
  waitWorkersMs: 60_000,
  checkpointEveryMs: 30_000,
  sampleEverySteps: 1_000,
  networks: ['generator'],
  refusalEndsRun: false,
};
export const ENGINE_FINGERPRINT = 'f'.repeat(64);
export const TERM = 3;

/** Of the state before an update, as every healthy replica has it. */
export const stateBefore = (update: number): string => update.toString(16).padStart(16, '0');
/** Of a state with a wrong bit. */
export const WRONG = 'fedcba9876543210';

export const checkpointOf = (update: number): CheckpointRecord => ({
  update,
  object: `state-${update / 2}`,
  sha256: 'c'.repeat(64),
  stateFingerprint: stateBefore(update),
  historyObject: `history-${update / 2}`,
});

export const rowsOf = (updates: readonly number[], extra: Partial<UpdateRow> = {}): UpdateRow[] =>
  updates.map((update) => ({
    update,
    scalars: [1],
    skipped: false,
    skippedSteps: 0,
    redos: 0,
    ...extra,
  }));

/** `from`, `from` + 1 ... below `to`. */
export const updates = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

type Of<K extends RunCommand['kind']> = Extract<RunCommand, { readonly kind: K }>;

export interface DriverOptions {
  readonly plan?: Partial<RunPlan>;
  readonly spec?: Partial<RunSpecDraft>;
  readonly recorded?: Partial<RecordedRun>;
}

/** Drives the machine by hand: a clock, the commands of the last act, and what workers would say. */
export class Driver {
  state: RunState;
  /** What the last act brought about. */
  commands: readonly RunCommand[] = [];
  nowMs = 0;
  private revision = 6;

  constructor({ plan, spec, recorded }: DriverOptions = {}) {
    const nothing = { checkpoint: null, ringEpoch: 0, world: [], trustedFrom: 0 };
    this.state = initialRunState(
      { ...PLAN, ...plan },
      { ...DRAFT, ...spec },
      { ...nothing, ...recorded },
      TERM,
      this.nowMs,
    );
  }

  send(event: RunEvent): readonly RunCommand[] {
    const { state, commands } = advance(this.state, event, this.nowMs);
    this.state = state;
    this.commands = commands;
    return commands;
  }

  /** The last act's commands of one kind. */
  of<K extends RunCommand['kind']>(kind: K): Of<K>[] {
    return this.commands.filter((command): command is Of<K> => command.kind === kind);
  }

  kinds(): string[] {
    return this.commands.map(({ kind }) => kind);
  }

  /** What was said, in one text. */
  said(): string {
    return this.of('say')
      .map(({ text }) => text)
      .join('\n');
  }

  get phase(): RunState['phase']['kind'] {
    return this.state.phase.kind;
  }

  get world(): readonly string[] {
    return this.state.epoch?.world ?? [];
  }

  get ringEpoch(): number {
    return this.state.epoch?.ringEpoch ?? 0;
  }

  ended(): Of<'end'> | undefined {
    return this.of('end')[0];
  }

  assigned(): string[] {
    return this.of('assign').map(({ step, shard, workerId }) => `${step}/${shard} ${workerId}`);
  }

  /** What is to be written of a ring epoch. */
  get ring(): Of<'writeRing'> {
    const [ring] = this.of('writeRing');
    if (ring === undefined) throw new Error(`a ring epoch was expected, found: ${this.kinds().join()}`);
    return ring;
  }

  tick(): readonly RunCommand[] {
    return this.send({ kind: 'tick' });
  }

  /** Lets time pass, with a tick four times a second and heartbeats of all workers but the silent ones. */
  pass(ms: number, { silent = [] }: { silent?: readonly string[] } = {}): readonly RunCommand[] {
    const all: RunCommand[] = [];
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs && this.phase !== 'ended') {
      this.nowMs = Math.min(endMs, this.nowMs + 250);
      for (const workerId of this.state.workers.keys())
        if (!silent.includes(workerId)) all.push(...this.heartbeat(workerId));
      all.push(...this.tick());
    }
    this.commands = all;
    return all;
  }

  static pidOf = (workerId: string): number => 1_000 + (workerId.codePointAt(0) ?? 0);

  hello(workerId: string, extra: Partial<UpMessage<'hello'>> = {}): readonly RunCommand[] {
    const engines = [{ name: 'onnx-cpu', usable: true, reason: 'there', devices: [] }];
    const ring = { host: '127.0.0.1', port: 4_000, tls: false };
    return this.send({
      kind: 'hello',
      message: {
        ...{ protocol: PROTOCOL_VERSION, workerId, name: workerId, hostname: 'host' },
        ...{ pid: Driver.pidOf(workerId), ring, engines, engine: 'onnx-cpu', device: null },
        ...extra,
      },
    });
  }

  ready(workerId: string, extra: Partial<UpMessage<'ready'>> = {}): readonly RunCommand[] {
    const engine = {
      engine: 'onnx-cpu',
      engineVersion: '1',
      engineFingerprint: ENGINE_FINGERPRINT,
      firstShardMs: 10,
      device: null,
    };
    return this.send({
      kind: 'ready',
      message: { workerId, runId: 'run', ...engine, nextUpdate: null, ...extra },
    });
  }

  /** A worker comes up: a hello and its engine. */
  come(workerId: string, extra: { name?: string; nextUpdate?: number } = {}): readonly RunCommand[] {
    this.hello(workerId, { name: extra.name ?? workerId });
    return this.ready(workerId, { nextUpdate: extra.nextUpdate ?? null });
  }

  heartbeat(workerId: string, replicaSilentMs = 0): readonly RunCommand[] {
    return this.send({
      kind: 'heartbeat',
      message: { workerId, runId: 'run', ringEpoch: 0, nextUpdate: 0, phase: 'idle', replicaSilentMs },
    });
  }

  /** Answers the survey under way. */
  stand(
    workerId: string,
    nextUpdate: number | null,
    extra: Partial<UpMessage<'standing'>> = {},
  ): readonly RunCommand[] {
    const stateFingerprint = nextUpdate === null ? null : stateBefore(nextUpdate);
    const survey = this.state.surveys;
    const begunIn = nextUpdate === null ? 0 : this.ringEpoch;
    return this.send({
      kind: 'standing',
      message: { workerId, term: TERM, survey, nextUpdate, stateFingerprint, rowsFrom: 0, begunIn, ...extra },
    });
  }

  /** These answer the survey alike, one after the other. */
  allStand(nextUpdate: number | null, ...workers: string[]): readonly RunCommand[] {
    for (const id of workers) this.stand(id, nextUpdate);
    return this.commands;
  }

  /** The ring epoch that is to be written is written. */
  written(): readonly RunCommand[] {
    const { world, spares, nextUpdate, stateFingerprint, source, cause, reason } = this.ring;
    const ringEpoch = ++this.revision;
    const secret = 'ab'.repeat(32);
    return this.send({
      kind: 'ringWritten',
      epoch: { ringEpoch, world, spares, nextUpdate, stateFingerprint, source, cause, reason, secret },
    });
  }

  notWritten(): readonly RunCommand[] {
    return this.send({ kind: 'ringNotWritten', message: 'no answer' });
  }

  started(
    workerId: string,
    stateFingerprint = stateBefore(this.state.epoch?.nextUpdate ?? 0),
  ): readonly RunCommand[] {
    const { ringEpoch } = this;
    const nextUpdate = this.state.epoch?.nextUpdate ?? 0;
    return this.send({ kind: 'started', message: { workerId, ringEpoch, nextUpdate, stateFingerprint } });
  }

  /** The ring epoch is written, and all its members have begun. */
  begin(): void {
    this.written();
    for (const id of this.world) if (this.phase !== 'ended') this.started(id);
  }

  /** Brings a first world up. */
  train(...workers: string[]): void {
    for (const id of workers) this.come(id);
    if (this.phase === 'gathering') this.pass(60_000);
    this.allStand(null, ...workers);
    this.begin();
  }

  report(
    workerId: string,
    told: readonly number[],
    extra: {
      nextUpdate?: number;
      fingerprints?: readonly number[];
      wrong?: boolean;
      ringEpoch?: number;
      row?: Partial<UpdateRow>;
    } = {},
  ): readonly RunCommand[] {
    const nextUpdate = extra.nextUpdate ?? (told.at(-1) ?? this.state.committed - 1) + 1;
    const fingerprints = (extra.fingerprints ?? []).map((update) => ({
      update,
      fingerprint: extra.wrong === true ? WRONG : stateBefore(update),
    }));
    return this.send({
      kind: 'report',
      message: {
        ...{ workerId, ringEpoch: extra.ringEpoch ?? this.ringEpoch, nextUpdate, fingerprints },
        rows: rowsOf(told, extra.row),
        totals: { ...NO_TOTALS, shardsComputed: 1 },
      },
    });
  }

  /** Rank 0 reports everything up to `update`. */
  reach(update: number): readonly RunCommand[] {
    const all: RunCommand[] = [];
    while (this.state.committed < update && (this.phase === 'training' || this.phase === 'finishing')) {
      const next = Math.min(update, this.state.committed + 2);
      all.push(...this.report(this.world[0] ?? '', updates(this.state.committed, next)));
    }
    this.commands = all;
    return all;
  }

  /** A member tells that it cannot go on; of a link to `neighbour`, or of itself. */
  fails(
    workerId: string,
    neighbour: string | null,
    extra: Partial<UpMessage<'failure'>> = {},
  ): readonly RunCommand[] {
    const code = neighbour === null ? 'range' : 'ring-peer-lost';
    const { ringEpoch } = this;
    return this.send({
      kind: 'failure',
      message: { workerId, ringEpoch, code, message: 'it broke', neighbour, ...extra },
    });
  }

  exited(workerId: string): readonly RunCommand[] {
    const pid = Driver.pidOf(workerId);
    return this.send({ kind: 'exited', message: { hostname: 'host', pid, reason: 'killed by SIGKILL' } });
  }

  leaves(workerId: string): readonly RunCommand[] {
    return this.send({ kind: 'leaving', message: { workerId, reason: 'SIGTERM' } });
  }

  goodbye(workerId: string): readonly RunCommand[] {
    return this.send({ kind: 'goodbye', message: { workerId, reason: 'done here' } });
  }

  /** The state that a task asked for is in the store. */
  stored(task = this.state.checkpointTask): readonly RunCommand[] {
    if (task === null) throw new Error('a checkpoint was expected to be under way');
    const { update, workerId } = task;
    return this.send({
      kind: 'checkpointed',
      message: {
        ...{ workerId, task: task.task, update, stateFingerprint: stateBefore(update) },
        file: { name: 'state', bytes: 1, sha256: 'd'.repeat(64) },
      },
    });
  }

  pointerMoved(update: number): readonly RunCommand[] {
    return this.send({ kind: 'checkpointCommitted', record: checkpointOf(update) });
  }

  taskFails(task: string, message = 'disk full'): readonly RunCommand[] {
    return this.send({ kind: 'taskFailed', message: { workerId: this.world[0] ?? '', task, message } });
  }

  /** Takes the checkpoint under way to its end: reached, agreed on, stored, and the pointer is moved. */
  completeCheckpoint(): readonly RunCommand[] {
    const task = this.state.checkpointTask;
    if (task === null) throw new Error('a checkpoint was expected to be under way');
    const { update } = task;
    this.reach(update);
    for (const id of this.world) this.report(id, [], { nextUpdate: update, fingerprints: [update] });
    this.stored(task);
    return this.pointerMoved(update);
  }

  stop(): readonly RunCommand[] {
    return this.send({ kind: 'stopRequested' });
  }
}
