import { createHash } from 'node:crypto';
import {
  OperationalError,
  messageOf,
  networkOf,
  shardsOfRank,
  stepOf,
  type DownMessage,
  type RunSpec,
} from '../../proto/index.js';
import { exportGenerator } from '../export/index.js';
import type { Ring } from '../ring/index.js';
import type { AssignmentInbox } from './assignment-inbox.js';
import type { FromReplica, PhaseName } from './port.js';
import type { ReplicaState } from './replica-state.js';
import type { Reporter } from './reporter.js';
import type { OwnShard, UpdateStep } from './update-step.js';

/** A fingerprint of the whole state this often. */
const FINGERPRINT_EVERY_UPDATES = 64;
/** What has not come after this long is asked for again. */
const ASK_AGAIN_MS = 250;

export interface ReplicaParts {
  readonly workerId: string;
  readonly spec: RunSpec;
  readonly state: ReplicaState;
  readonly updateStep: UpdateStep;
  readonly inbox: AssignmentInbox;
  readonly reporter: Reporter;
  readonly generate: (noise: Float32Array) => Promise<Float32Array>;
  readonly openRing: (start: DownMessage<'start'>, signal: AbortSignal) => Promise<Ring>;
  readonly post: (message: FromReplica) => void;
  readonly onProgress: (ringEpoch: number, nextUpdate: number, phase: PhaseName) => void;
  readonly nowMs: () => number;
}

type Task =
  | { readonly kind: 'checkpoint'; readonly task: string; readonly object: string }
  | { readonly kind: 'export'; readonly task: string; readonly prefix: string }
  | { readonly kind: 'settle'; readonly ringEpoch: number; readonly update: number };

/**
 * A replica that follows the coordinator: obeys ring epochs, and within one computes update after update as
 * assignments come. One ring epoch's loop runs at a time; leaving it drops what is unfinished.
 */
export class Replica {
  /** False until the first start has given the state its content. */
  private hasState = false;
  private ringEpoch = 0;
  /** Ends the loop of the ring epoch in progress. */
  private leave = new AbortController();
  private loop: Promise<void> = Promise.resolve();
  private started: (FromReplica & { kind: 'started' }) | null = null;
  private readonly tasks: Task[] = [];
  /** Wakes the loop when it waits for assignments or tasks. */
  private wake: () => void = () => undefined;

  constructor(private readonly parts: ReplicaParts) {}

  /** Something came into the inbox. */
  notify(): void {
    this.wake();
  }

  addTask(task: Task): void {
    this.tasks.push(task);
    this.wake();
  }

  /** Leaves the ring epoch, for good up to `ringEpoch`, and says where the replica stands. */
  async survey(survey: number, ringEpoch: number): Promise<void> {
    this.ringEpoch = Math.max(this.ringEpoch, ringEpoch);
    this.started = null;
    await this.end();
    const { state, post } = this.parts;
    const nextUpdate = this.hasState ? state.get('nextUpdate') : null;
    post({
      kind: 'standing',
      survey,
      nextUpdate,
      stateFingerprint: this.hasState ? state.fingerprint() : null,
    });
  }

  /** Begins a ring epoch; a start that is not newer than the present one only repeats the acknowledgement. */
  async start(start: DownMessage<'start'>, checkpoint: Uint8Array | null): Promise<void> {
    const { parts } = this;
    if (start.ringEpoch < this.ringEpoch) return;
    if (start.ringEpoch === this.ringEpoch) {
      if (this.started !== null) parts.post(this.started);
      return;
    }
    this.ringEpoch = start.ringEpoch;
    this.started = null;
    await this.end();
    const leave = (this.leave = new AbortController());
    this.loop = this.follow(start, checkpoint, leave.signal).catch((error: unknown) => {
      if (leave.signal.aborted) return;
      const code = error instanceof OperationalError ? error.code : 'run-failed';
      const message =
        error instanceof OperationalError ? error.message : ((error as Error).stack ?? messageOf(error));
      parts.post({ kind: 'failure', ringEpoch: start.ringEpoch, code, message: message.slice(0, 4_000) });
    });
  }

  /** Ends the ring epoch in progress: nothing is applied any more once this has resolved. */
  async end(): Promise<void> {
    this.leave.abort();
    this.wake();
    await this.loop;
  }

  private async follow(
    start: DownMessage<'start'>,
    checkpoint: Uint8Array | null,
    signal: AbortSignal,
  ): Promise<void> {
    const { state, inbox, spec, post, nowMs } = this.parts;
    this.takeUpState(start, checkpoint);
    inbox.open(start.ringEpoch);
    const rank = this.rankIn(start);
    const ring = await this.parts.openRing(start, signal);
    try {
      this.started = {
        kind: 'started',
        ringEpoch: start.ringEpoch,
        nextUpdate: state.get('nextUpdate'),
        stateFingerprint: state.fingerprint(),
      };
      post(this.started);
      let countedSent = 0;
      let countedReceived = 0;
      for (;;) {
        const update = state.get('nextUpdate');
        const step = stepOf(update);
        const shards = shardsOfRank(step, rank, spec.shards, start.members.length);
        const own = await this.ownShards(start.ringEpoch, update, shards, signal);
        const row = await this.parts.updateStep.run(update, own, ring, signal);
        const { reporter } = this.parts;
        reporter.totals.ringBytesSent += ring.bytesSent - countedSent;
        reporter.totals.ringBytesReceived += ring.bytesReceived - countedReceived;
        countedSent = ring.bytesSent;
        countedReceived = ring.bytesReceived;
        reporter.addRow(row);
        const next = update + 1;
        if (next % FINGERPRINT_EVERY_UPDATES === 0) reporter.addFingerprint(next, state.fingerprint());
        if (networkOf(update) === 'discriminator') continue;
        inbox.dropBelow(step + 1);
        if (reporter.isDue(rank, start.reportEverySteps, nowMs())) this.report(start.ringEpoch);
      }
    } finally {
      ring.close();
      this.progress('idle');
    }
  }

  private rankIn(start: DownMessage<'start'>): number {
    return start.members.findIndex((member) => member.workerId === this.parts.workerId);
  }

  private takeUpState(start: DownMessage<'start'>, checkpoint: Uint8Array | null): void {
    const { state, spec } = this.parts;
    if (!this.hasState) {
      if (checkpoint !== null) state.restore(checkpoint);
      else if (start.source.kind === 'initial') state.initialise(spec.seed);
      this.hasState = true;
    }
    const found = state.get('nextUpdate');
    if (found !== start.nextUpdate) {
      throw new OperationalError(
        'checkpoint',
        `a state before update ${start.nextUpdate} was expected, found one before ${found}`,
      );
    }
  }

  /**
   * Waits until all of the step's own shards are here; does tasks at step boundaries meanwhile. Reports before it
   * waits, since what it waits for may depend on that.
   */
  private async ownShards(
    ringEpoch: number,
    update: number,
    shards: readonly number[],
    signal: AbortSignal,
  ): Promise<OwnShard[]> {
    const { inbox, reporter, nowMs, post } = this.parts;
    const step = stepOf(update);
    const sinceMs = nowMs();
    this.progress('wait');
    for (;;) {
      signal.throwIfAborted();
      if (update % 2 === 0) await this.doTasks(ringEpoch, update);
      const missing = inbox.missing(step, shards);
      if (missing.length === 0) break;
      if (reporter.unreportedUpdates > 0) this.report(ringEpoch);
      const woken = await this.sleep(ASK_AGAIN_MS);
      if (woken) continue;
      this.report(ringEpoch);
      post({ kind: 'need', ringEpoch, step, shards: missing });
    }
    reporter.totals.waitMs += nowMs() - sinceMs;
    return shards.map((shard) => {
      const pixels = inbox.pixels(step, shard);
      if (pixels === undefined) throw new Error('broken invariant: nothing is missing');
      return { shard, pixels };
    });
  }

  /** Resolves true when something came, false after `ms`. */
  private sleep(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  private report(ringEpoch: number): void {
    const { reporter, state, inbox, post, nowMs } = this.parts;
    post({
      kind: 'report',
      report: reporter.take(ringEpoch, state.get('nextUpdate'), inbox.committedStep, nowMs()),
    });
  }

  private progress(phase: PhaseName): void {
    this.parts.onProgress(this.ringEpoch, this.hasState ? this.parts.state.get('nextUpdate') : 0, phase);
  }

  private async doTasks(ringEpoch: number, update: number): Promise<void> {
    const { state, reporter, post } = this.parts;
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) {
      if (task.kind === 'settle') {
        if (task.ringEpoch !== ringEpoch || task.update !== update) continue; // it is sent again until it fits
        reporter.addFingerprint(update, state.fingerprint());
        this.report(ringEpoch);
      } else if (task.kind === 'checkpoint') {
        const { object } = task;
        post({
          kind: 'state',
          task: task.task,
          object,
          update,
          stateFingerprint: state.fingerprint(),
          bytes: state.copy(),
        });
      } else {
        await this.exportTo(task.task, task.prefix, update);
      }
    }
  }

  private async exportTo(task: string, prefix: string, update: number): Promise<void> {
    const { state, spec, generate, post } = this.parts;
    try {
      const files = await exportGenerator({
        spec,
        step: stepOf(update),
        parameters: state.parameters,
        statistics: state.statistics,
        stateSha256: createHash('sha256').update(state.copy()).digest('hex'),
        generate,
      });
      post({ kind: 'exported', task, prefix, update, files });
    } catch (error) {
      post({ kind: 'taskFailed', task, message: messageOf(error) });
    }
  }
}
