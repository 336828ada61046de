import {
  OperationalError,
  messageOf,
  isSampleStep,
  networkOf,
  shardsOfRank,
  stepOf,
  stepsPerPass,
  type Assignment,
  type DownMessage,
  type RunSpec,
} from '../../proto/index.js';
import type { FaultHook } from '../../proto/runtime/fault-injection.js';
import { sampleImages, sampleNoise } from '../export/index.js';
import type { GeneratorWeights } from '../engine/index.js';
import { RingError, type HeldState, type Neighbour, type Ring } from '../ring/index.js';
import type { AssignmentInbox, AssignmentRefusal } from './assignment-inbox.js';
import type { FromReplica, PhaseName, ReplicaTask } from './port.js';
import type { ReplicaState } from './replica-state.js';
import type { Reporter } from './reporter.js';
import type { Sample, SampleLog } from './sample-log.js';
import type { UpdatePace } from './update-pace.js';
import type { OwnShard, UpdateStep } from './update-step.js';

/** A fingerprint of the whole state this often. */
const FINGERPRINT_EVERY_UPDATES = 64;
/** What has not come after this long is asked for again. */
const ASK_AGAIN_MS = 250;

type Start = DownMessage<'start'>;

/** A state could not be taken over from `peer`, a worker's id. */
class SourceError extends OperationalError {
  override readonly name = 'SourceError';
  constructor(
    cause: OperationalError,
    readonly peer: string,
  ) {
    super(cause.code, cause.message, { cause });
  }
}

export interface ReplicaParts {
  readonly workerId: string;
  readonly spec: RunSpec;
  readonly state: ReplicaState;
  readonly updateStep: UpdateStep;
  readonly inbox: AssignmentInbox;
  readonly reporter: Reporter;
  readonly samples: SampleLog;
  readonly pace: UpdatePace;
  readonly finishedGenerator: () => Promise<GeneratorWeights>;
  readonly generate: (noise: Float32Array, generator: GeneratorWeights) => Promise<Float32Array>;
  /** `onFailure` is told of a ring that fails between two reductions. */
  readonly openRing: (start: Start, signal: AbortSignal, onFailure: () => void) => Promise<Ring>;
  /** Reads a checkpoint. */
  readonly fetchCheckpoint: (object: string, sha256: string, signal: AbortSignal) => Promise<Uint8Array>;
  /** Takes the state over from the start's source. */
  readonly fetchState: (
    start: Start,
    signal: AbortSignal,
  ) => Promise<{ readonly state: Uint8Array; readonly rows: Uint8Array }>;
  /** Lets the others take this replica's state over; the function returned ends that. */
  readonly serveState: (start: Start, held: HeldState) => () => void;
  readonly post: (message: FromReplica) => void;
  readonly onProgress: (ringEpoch: number, nextUpdate: number | null, phase: PhaseName) => void;
  readonly nowMs: () => number;
  readonly fault: FaultHook;
  /** Ends the connections to others; for tests of recovery. */
  readonly cutLinks: () => void;
}

/**
 * A replica that follows the coordinator: obeys ring epochs, and within one computes update after update as
 * assignments come. One ring epoch's loop runs at a time; leaving it drops what is unfinished.
 */
export class Replica {
  /** False until the first start has given the state its content. */
  private hasState = false;
  private ringEpoch = 0;
  /** Of the start that is followed. */
  private startTerm = 0;
  /** The last one whose state this replica has had. */
  private begunIn = 0;
  /** Ends the loop of the ring epoch in progress. */
  private leave = new AbortController();
  private loop: Promise<void> = Promise.resolve();
  private started: (FromReplica & { kind: 'started' }) | null = null;
  private tasks: ReplicaTask[] = [];
  /** Wakes the loop when it waits for assignments or tasks. */
  private wake: () => void = () => undefined;

  constructor(private readonly parts: ReplicaParts) {}

  /** Takes a shard's pixels in; returns why they are not kept, if so. */
  assign(assignment: Assignment): AssignmentRefusal | null {
    const refused = this.parts.inbox.put(assignment);
    if (refused === null) this.wake();
    return refused;
  }

  addTask(task: ReplicaTask): void {
    this.tasks.push(task);
    this.wake();
  }

  /** Leaves the ring epoch, for good up to `ringEpoch`, and says where the replica stands. */
  async survey(term: number, survey: number, ringEpoch: number): Promise<void> {
    // The answer to it is a start that has come already.
    if (term === this.startTerm && ringEpoch < this.ringEpoch) return;
    this.ringEpoch = Math.max(this.ringEpoch, ringEpoch);
    this.started = null;
    await this.end();
    const { state, reporter, post, fault } = this.parts;
    fault?.('in-survey', this.hasState ? state.get('nextUpdate') : 0);
    post({
      kind: 'standing',
      term,
      survey,
      nextUpdate: this.hasState ? state.get('nextUpdate') : null,
      stateFingerprint: this.hasState ? state.fingerprint() : null,
      rowsFrom: reporter.rows.from,
      begunIn: this.begunIn,
    });
  }

  /** Begins a ring epoch; a start that is not newer than the present one only repeats the acknowledgement. */
  async start(start: Start): Promise<void> {
    const { parts } = this;
    if (start.ringEpoch < this.ringEpoch) return;
    if (start.ringEpoch === this.ringEpoch) {
      if (this.started !== null) parts.post(this.started);
      return;
    }
    this.ringEpoch = start.ringEpoch;
    this.startTerm = start.term;
    this.started = null;
    await this.end();
    const leave = (this.leave = new AbortController());
    this.loop = this.follow(start, leave.signal).catch((error: unknown) => {
      if (parts.updateStep.hasTornState) this.hasState = false;
      this.progress('idle');
      if (!leave.signal.aborted) this.fail(start, error);
    });
  }

  /** Ends the ring epoch in progress: nothing is applied any more once this has resolved. */
  async end(): Promise<void> {
    this.leave.abort();
    this.wake();
    await this.loop;
    this.tasks = [];
  }

  private fail(start: Start, error: unknown): void {
    const operational = error instanceof OperationalError;
    const message = operational ? error.message : ((error as Error).stack ?? messageOf(error));
    this.parts.post({
      kind: 'failure',
      ringEpoch: start.ringEpoch,
      code: operational ? error.code : 'run-failed',
      message: message.slice(0, 2_000),
      neighbour:
        error instanceof SourceError
          ? error.peer
          : this.neighbourOf(start, error instanceof RingError ? error.neighbour : undefined),
    });
  }

  private neighbourOf(start: Start, neighbour: Neighbour | undefined): string | null {
    if (neighbour === undefined) return null;
    const world = start.members.length;
    const step = neighbour === 'successor' ? 1 : world - 1;
    return start.members[(this.rankIn(start) + step) % world]?.workerId ?? null;
  }

  private async follow(start: Start, signal: AbortSignal): Promise<void> {
    await this.takeUpState(start, signal);
    this.begunIn = start.ringEpoch;
    const { state, rows } = { state: this.parts.state, rows: this.parts.reporter.rows };
    const serves = start.source.kind === 'peer' && start.source.peer.workerId === this.parts.workerId;
    const withdraw = serves
      ? this.parts.serveState(start, { state: state.view(), rows: rows.encode() })
      : () => undefined;
    try {
      // A source that is no member only hands its state over.
      if (this.rankIn(start) < 0) await aborted(signal);
      else await this.train(start, signal, withdraw);
    } finally {
      withdraw();
      this.progress('idle');
    }
  }

  /** @param onSettled called when all members have their state, before it changes: nobody needs this one's any more */
  private async train(start: Start, signal: AbortSignal, onSettled: () => void): Promise<void> {
    const { state, inbox, spec, reporter, samples, pace, post, nowMs, fault } = this.parts;
    inbox.open(start.ringEpoch, stepOf(start.nextUpdate), start.committed);
    reporter.open();
    this.progress('open');
    const rank = this.rankIn(start);
    const ring = await this.parts.openRing(start, signal, () => this.wake());
    try {
      this.started = {
        kind: 'started',
        ringEpoch: start.ringEpoch,
        nextUpdate: state.get('nextUpdate'),
        stateFingerprint: state.fingerprint(),
      };
      post(this.started);
      if (rank === 0) for (const sample of samples.after(start.sampledSteps)) this.tellSample(start, sample);
      let countedSent = 0;
      let countedReceived = 0;
      for (;;) {
        const update = state.get('nextUpdate');
        const step = stepOf(update);
        const dealt = (at: number): readonly number[] =>
          shardsOfRank(at, rank, spec.shards, start.members.length);
        const own = await this.ownShards(start.ringEpoch, update, dealt, ring, signal);
        fault?.('before-compute', update, {
          cut: this.parts.cutLinks,
          flip: (part) => state.flipBit(part),
        });
        const sinceMs = nowMs();
        const silenceMs = pace.silenceMs();
        const allReduce: Ring['allReduce'] = async (vector, options) => {
          await ring.allReduce(vector, { ...options, silenceMs });
          onSettled(); // a sum takes all members
        };
        const row = await this.parts.updateStep.run(update, own, { allReduce }, signal);
        pace.measured(nowMs() - sinceMs);
        reporter.totals.ringBytesSent += ring.bytesSent - countedSent;
        reporter.totals.ringBytesReceived += ring.bytesReceived - countedReceived;
        countedSent = ring.bytesSent;
        countedReceived = ring.bytesReceived;
        reporter.rows.add(row);
        reporter.addUpdate();
        const next = update + 1;
        if (next % FINGERPRINT_EVERY_UPDATES === 0) reporter.addFingerprint(next, state.fingerprint());
        if (networkOf(update) === 'discriminator') continue;
        inbox.dropBelow(step + 1);
        reporter.rows.dropBelow(Math.min(inbox.durable, inbox.committed));
        if (reporter.isDue(rank, start.reportEverySteps, nowMs())) this.report(start.ringEpoch);
        if (isSampleStep(step + 1, start.sampleEverySteps) || (step + 1) % stepsPerPass(spec) === 0) {
          const sample = await this.makeSample(step + 1);
          signal.throwIfAborted();
          samples.add(sample);
          if (rank === 0) this.tellSample(start, sample);
        }
      }
    } finally {
      ring.close();
    }
  }

  private async makeSample(step: number): Promise<Sample> {
    const { spec, generate, finishedGenerator } = this.parts;
    const generator = await finishedGenerator();
    return { step, images: await sampleImages(spec, (noise) => generate(noise, generator)) };
  }

  private tellSample({ ringEpoch }: Start, { step, images }: Sample): void {
    this.parts.post({ kind: 'sample', ringEpoch, step, images });
  }

  private rankIn(start: Start): number {
    return start.members.findIndex((member) => member.workerId === this.parts.workerId);
  }

  /** Brings the state to the start's: keeps it, makes it, or takes it over from a checkpoint or a peer. */
  private async takeUpState(start: Start, signal: AbortSignal): Promise<void> {
    const { state, spec, reporter, updateStep } = this.parts;
    const { source, nextUpdate, stateFingerprint } = start;
    const stands = this.hasState && state.get('nextUpdate') === nextUpdate;
    if (stands && stateFingerprint !== null && state.fingerprint() === stateFingerprint) return;
    this.progress('fetch');
    updateStep.forget();
    this.parts.samples.truncate(stepOf(nextUpdate));
    switch (source.kind) {
      case 'initial':
        state.initialise(spec.seed);
        reporter.rows.restart(0);
        break;
      case 'checkpoint': {
        const bytes = await this.parts.fetchCheckpoint(source.object, source.sha256, signal);
        signal.throwIfAborted();
        state.restore(bytes);
        reporter.rows.restart(nextUpdate);
        break;
      }
      case 'peer': {
        const fetched = await this.parts.fetchState(start, signal).catch((error: unknown) => {
          throw error instanceof OperationalError ? new SourceError(error, source.peer.workerId) : error;
        });
        signal.throwIfAborted();
        state.restore(fetched.state);
        reporter.rows.replace(fetched.rows, nextUpdate);
      }
    }
    this.hasState = true;
    const found = state.get('nextUpdate');
    if (found !== nextUpdate || (stateFingerprint !== null && state.fingerprint() !== stateFingerprint)) {
      throw new OperationalError(
        'checkpoint',
        `the state before update ${nextUpdate} with fingerprint ${stateFingerprint ?? 'of the beginning'} was expected, found one before ${found} with ${state.fingerprint()}`,
      );
    }
  }

  /**
   * Waits until all of the step's own shards are here; does tasks at step boundaries meanwhile. Reports before it
   * waits, since what it waits for may depend on that. Shards come in the order of their steps: when a later one is here,
   * this one was lost and is asked for at once.
   * @param dealt the own shards of a step
   */
  private async ownShards(
    ringEpoch: number,
    update: number,
    dealt: (step: number) => readonly number[],
    ring: Ring,
    signal: AbortSignal,
  ): Promise<OwnShard[]> {
    const { inbox, reporter, nowMs } = this.parts;
    const step = stepOf(update);
    const shards = dealt(step);
    let asked = false;
    const sinceMs = nowMs();
    this.progress('wait');
    for (;;) {
      signal.throwIfAborted();
      if (ring.failure !== undefined) throw ring.failure;
      await this.doTasks(ringEpoch, update);
      const missing = inbox.missing(step, shards);
      if (missing.length === 0) break;
      if (reporter.unreportedUpdates > 0) this.report(ringEpoch);
      const lost = !asked && inbox.newestStep > step;
      if (!lost && (await this.sleep(ASK_AGAIN_MS))) continue;
      asked = true;
      this.report(ringEpoch);
      this.ask(ringEpoch, step, dealt);
    }
    reporter.totals.waitMs += nowMs() - sinceMs;
    return shards.map((shard) => {
      const pixels = inbox.pixels(step, shard);
      if (pixels === undefined) throw new Error('broken invariant: nothing is missing');
      return { shard, pixels };
    });
  }

  /** Asks for the own shards that have not come, of `step` and of later ones that others have come of. */
  private ask(ringEpoch: number, step: number, dealt: (step: number) => readonly number[]): void {
    const { inbox, post } = this.parts;
    for (let at = step; at <= Math.max(step, inbox.newestStep); at++) {
      const shards = inbox.missing(at, dealt(at));
      if (shards.length > 0) post({ kind: 'need', ringEpoch, step: at, shards });
    }
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
      report: reporter.take(ringEpoch, state.get('nextUpdate'), inbox.committed, nowMs()),
    });
  }

  private progress(phase: PhaseName): void {
    const nextUpdate = this.hasState ? this.parts.state.get('nextUpdate') : null;
    this.parts.onProgress(this.ringEpoch, nextUpdate, phase);
  }

  /** Does what is to be done before `update`; keeps what is for later. */
  private async doTasks(ringEpoch: number, update: number): Promise<void> {
    if (this.tasks.length === 0) return;
    const tasks = this.tasks.filter((task) => task.ringEpoch === ringEpoch);
    this.tasks = tasks.filter((task) => task.update > update);
    let settles = false;
    for (const task of tasks) {
      if (task.update > update) continue;
      if (task.kind === 'settle') settles ||= task.update === update;
      else if (task.update === update) await this.doTask(task);
      else
        this.parts.post({
          kind: 'taskFailed',
          task: task.task,
          message: `the replica is before update ${update} already, ${task.update} was asked for`,
        });
    }
    if (!settles) return;
    this.parts.reporter.addFingerprint(update, this.parts.state.fingerprint());
    this.report(ringEpoch);
  }

  private async doTask(task: ReplicaTask & { readonly kind: 'checkpoint' | 'export' }): Promise<void> {
    const { state, post } = this.parts;
    if (task.kind === 'export') return this.handOver(task);
    post({
      kind: 'state',
      task: task.task,
      object: task.object,
      update: task.update,
      stateFingerprint: state.fingerprint(),
      bytes: state.copy(),
    });
  }

  /** Writing the files takes longer than some updates: the others of the ring do not wait for that. */
  private async handOver(order: ReplicaTask & { readonly kind: 'export' }): Promise<void> {
    const { state, spec, generate, finishedGenerator, post } = this.parts;
    const { task, networks, prefix, update } = order;
    try {
      const generator = await finishedGenerator();
      const parameters = state.parameters.slice();
      parameters.set(generator.parameters, state.layout.model.generator.offset);
      post({
        kind: 'toExport',
        ...{ task, networks, prefix, update, spec },
        state: state.copy(),
        parameters,
        statistics: generator.statistics.slice(),
        samples: await generate(sampleNoise(spec), generator),
      });
    } catch (error) {
      post({ kind: 'taskFailed', task, message: messageOf(error) });
    }
  }
}

/** Rejects once `signal` is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(new OperationalError('aborted', 'the ring epoch is over'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
