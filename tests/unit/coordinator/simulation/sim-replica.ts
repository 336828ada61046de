import {
  networkOf,
  shardsOfRank,
  stepOf,
  type Assignment,
  type DownMessage,
} from '../../../../proto/index.js';
import { AssignmentInbox } from '../../../../worker/replica/assignment-inbox.js';
import type { FromReplica, ReplicaTask } from '../../../../worker/replica/port.js';
import { Reporter } from '../../../../worker/replica/reporter.js';
import { UpdatePace } from '../../../../worker/replica/update-pace.js';
import { INITIAL_BITS, applied, fingerprintOf, gradient, rowOf, type Bits } from './bits.js';
import type { Cluster } from './cluster.js';
import type { SimProcess } from './sim-process.js';
import type { SimRing } from './sim-ring.js';
import type { Timer } from './timeline.js';

type Start = DownMessage<'start'>;

/** What a simulated replica says; states and files go to the store without a detour. */
export type FromSimReplica = Extract<
  FromReplica,
  { readonly kind: 'standing' | 'started' | 'report' | 'need' | 'failure' | 'taskFailed' }
>;

/** Far more often than the real one: the runs are short. */
const FINGERPRINT_EVERY_UPDATES = 8;
const ASK_AGAIN_MS = 250;
/** For a source to be ready, and for the whole state. */
const STATE_MS = 60_000;
const STATE_SILENCE_MS = 1_500;
const LOOK_EVERY_MS = 20;

/** What a ring epoch's loop has to do with others; `over` once it was left or has failed. */
interface Loop {
  readonly start: Start;
  readonly rank: number;
  over: boolean;
  ring: SimRing | null;
  failed: { readonly code: string; readonly neighbour: string } | null;
  /** Waits for shards or tasks. */
  waiting: Timer | null;
  /** The newest step whose shards it has asked for again. */
  askedFor: number;
  enteredMs: number;
}

export interface HeldState {
  readonly update: number;
  readonly bits: Bits;
  readonly rows: Uint8Array;
}

/**
 * A replica that obeys as the real one does (worker/replica/replica.ts), with the real inbox, reporter and row log. Its state
 * is 32 bits, its engine a hash.
 */
export class SimReplica {
  readonly inbox: AssignmentInbox;
  readonly reporter: Reporter;
  private readonly pace: UpdatePace;
  hasState = false;
  nextUpdate = 0;
  bits: Bits = INITIAL_BITS;
  ringEpoch = 0;
  private startTerm = 0;
  private begunIn = 0;
  phase = 'idle';
  /** What this replica hands over, and in which ring epoch. */
  serving: { readonly ringEpoch: number; readonly held: HeldState } | null = null;
  /** Faults that wait for the next update. */
  flip = false;
  breakdown = false;
  slowness = 1;
  isOffline = false;
  private started: (FromReplica & { kind: 'started' }) | null = null;
  private tasks: ReplicaTask[] = [];
  private loop: Loop | null = null;
  /** Surveys and starts: the thread reads them between two shards. */
  private orders: (() => void)[] = [];
  private isComputing = false;

  constructor(
    private readonly cluster: Cluster,
    readonly workerId: string,
    private readonly thread: SimProcess,
    private readonly post: (message: FromSimReplica) => void,
  ) {
    const { shards, computeMs } = cluster.scenario;
    this.inbox = new AssignmentInbox({ shards, shardBatch: 1, imageSize: 1 });
    this.reporter = new Reporter(cluster.timeline.nowMs);
    this.pace = new UpdatePace(shards * computeMs);
  }

  order(work: () => void): void {
    this.orders.push(work);
    if (!this.isComputing) this.obey();
  }

  private obey(): void {
    for (let work = this.orders.shift(); work !== undefined; work = this.orders.shift()) work();
  }

  /** Leaves the ring epoch, for good up to `ringEpoch`, and says where the replica stands. */
  survey(term: number, survey: number, ringEpoch: number): void {
    // Overtaken by the start that followed on it.
    if (term === this.startTerm && ringEpoch < this.ringEpoch) return;
    this.ringEpoch = Math.max(this.ringEpoch, ringEpoch);
    this.started = null;
    this.end();
    this.post({
      kind: 'standing',
      term,
      survey,
      nextUpdate: this.hasState ? this.nextUpdate : null,
      stateFingerprint: this.hasState ? fingerprintOf(this.bits) : null,
      rowsFrom: this.reporter.rows.from,
      begunIn: this.begunIn,
    });
  }

  begin(start: Start): void {
    if (start.ringEpoch < this.ringEpoch) return;
    if (start.ringEpoch === this.ringEpoch) {
      if (this.started !== null) this.post(this.started);
      return;
    }
    this.cluster.watcher.onBegun(this.workerId, this.ringEpoch, start.ringEpoch);
    this.ringEpoch = start.ringEpoch;
    this.startTerm = start.term;
    this.started = null;
    this.end();
    const rank = start.members.findIndex(({ workerId }) => workerId === this.workerId);
    const loop: Loop = {
      ...{ start, rank, over: false, ring: null, failed: null, waiting: null },
      ...{ askedFor: -1, enteredMs: 0 },
    };
    this.loop = loop;
    this.takeUpState(loop);
  }

  addTask(task: ReplicaTask): void {
    this.tasks.push(task);
    this.wake();
  }

  assign(assignment: Assignment): void {
    this.inbox.put(assignment);
    this.wake();
  }

  private wake(): void {
    const { loop } = this;
    if (loop === null || loop.waiting === null) return;
    loop.waiting.cancel();
    loop.waiting = null;
    this.waitForShards(loop);
  }

  private end(): void {
    if (this.loop !== null) this.quit(this.loop);
    this.tasks = [];
  }

  private quit(loop: Loop): void {
    loop.over = true;
    loop.waiting?.cancel();
    loop.ring?.leave(this.workerId);
    if (this.serving?.ringEpoch === loop.start.ringEpoch) this.serving = null;
    this.phase = 'idle';
  }

  private fail(loop: Loop, code: string, neighbour: string | null): void {
    if (loop.over) return;
    this.quit(loop);
    const { ringEpoch } = loop.start;
    const message = `${code} in ring epoch ${ringEpoch}`;
    this.post({ kind: 'failure', ringEpoch, code, message, neighbour });
  }

  private takeUpState(loop: Loop): void {
    const { source, nextUpdate, stateFingerprint } = loop.start;
    const stands = this.hasState && this.nextUpdate === nextUpdate;
    if (stands && stateFingerprint !== null && fingerprintOf(this.bits) === stateFingerprint)
      return this.follow(loop);
    this.phase = 'fetch';
    switch (source.kind) {
      case 'initial':
        this.reporter.rows.restart(0);
        return this.take(loop, 0, INITIAL_BITS);
      case 'checkpoint':
        return this.cluster.fetchCheckpoint(this.workerId, source.object, (state) => {
          if (loop.over) return;
          if (state === null) return this.fail(loop, 'checkpoint', null);
          this.reporter.rows.restart(nextUpdate);
          this.take(loop, state.update, state.bits);
        });
      case 'peer':
        return this.fetch(loop, source.peer.workerId, 0, 0);
    }
  }

  /** Looks for the source until it is ready, then takes its state over, which takes a while. */
  private fetch(loop: Loop, peer: string, waitedMs: number, silentMs: number): void {
    if (loop.over) return;
    const { cluster, workerId, thread } = this;
    const source = cluster.replicaOf(peer);
    if (source === undefined || waitedMs > STATE_MS) return this.fail(loop, 'ring-peer-lost', peer);
    const reached = !cluster.isCut(workerId, peer) && source.thread.isRunning;
    const unreachedMs = reached ? 0 : silentMs + LOOK_EVERY_MS;
    if (unreachedMs > STATE_SILENCE_MS) return this.fail(loop, 'ring-deadline', peer);
    const { serving } = source;
    if (!reached || serving?.ringEpoch !== loop.start.ringEpoch) {
      if (source.ringEpoch > loop.start.ringEpoch) return this.fail(loop, 'ring-refused', peer);
      return void thread.after(LOOK_EVERY_MS, () =>
        this.fetch(loop, peer, waitedMs + LOOK_EVERY_MS, unreachedMs),
      );
    }
    const transferMs = cluster.random.between(1, 2 * cluster.scenario.transferMs);
    thread.after(transferMs, () => {
      if (loop.over) return;
      // Withdrawn, cut or dead meanwhile.
      if (source.serving !== serving || cluster.isCut(workerId, peer) || !source.thread.isRunning)
        return this.fail(loop, 'ring-peer-lost', peer);
      this.reporter.rows.replace(serving.held.rows, loop.start.nextUpdate);
      this.take(loop, serving.held.update, serving.held.bits);
    });
  }

  private take(loop: Loop, update: number, bits: Bits): void {
    this.nextUpdate = update;
    this.bits = bits;
    this.hasState = true;
    const { nextUpdate, stateFingerprint } = loop.start;
    if (update !== nextUpdate || (stateFingerprint !== null && fingerprintOf(bits) !== stateFingerprint))
      return this.fail(loop, 'checkpoint', null);
    this.follow(loop);
  }

  private follow(loop: Loop): void {
    const { source, ringEpoch } = loop.start;
    this.begunIn = ringEpoch;
    if (source.kind === 'peer' && source.peer.workerId === this.workerId) {
      const rows = this.reporter.rows.encode();
      this.serving = { ringEpoch, held: { update: this.nextUpdate, bits: this.bits, rows } };
    }
    // A source that is no member only hands its state over.
    if (loop.rank < 0) return;
    this.inbox.open(ringEpoch, stepOf(loop.start.nextUpdate), loop.start.committed);
    this.reporter.open();
    this.phase = 'open';
    loop.ring = this.cluster.ringOf(loop.start);
    loop.ring.join(this.workerId, this.thread, {
      onOpen: () => this.train(loop),
      onFailed: (code, neighbour) => {
        loop.failed = { code, neighbour };
        // Between two reductions the loop is woken; while it computes it finds out afterwards.
        if (!this.isComputing) this.fail(loop, code, neighbour);
      },
      silenceMs: () => this.pace.silenceMs(),
      isSuspended: () => this.isOffline,
    });
  }

  private train(loop: Loop): void {
    if (loop.over) return;
    this.started = {
      kind: 'started',
      ringEpoch: loop.start.ringEpoch,
      nextUpdate: this.nextUpdate,
      stateFingerprint: fingerprintOf(this.bits),
    };
    this.cluster.watcher.onStarted(this.workerId, loop.start, this.nextUpdate, this.bits);
    this.post(this.started);
    this.waitForShards(loop);
  }

  private waitForShards(loop: Loop): void {
    if (loop.over) return;
    if (loop.failed !== null) return this.fail(loop, loop.failed.code, loop.failed.neighbour);
    const { ringEpoch } = loop.start;
    const step = stepOf(this.nextUpdate);
    this.phase = 'wait';
    this.doTasks(ringEpoch);
    const shards = this.dealt(loop, step);
    if (this.inbox.missing(step, shards).length === 0) return this.compute(loop, shards);
    if (this.reporter.unreportedUpdates > 0) this.report(ringEpoch);
    // What was sent later has come: then what is missing is lost.
    if (loop.askedFor < step && this.inbox.newestStep > step) this.ask(loop, step);
    loop.waiting = this.thread.after(ASK_AGAIN_MS, () => {
      loop.waiting = null;
      if (loop.over) return;
      this.ask(loop, step);
      this.waitForShards(loop);
    });
  }

  private dealt({ rank, start }: Loop, step: number): readonly number[] {
    return shardsOfRank(step, rank, this.cluster.scenario.shards, start.members.length);
  }

  private ask(loop: Loop, step: number): void {
    const { inbox } = this;
    const { ringEpoch } = loop.start;
    loop.askedFor = step;
    this.report(ringEpoch);
    for (let at = step; at <= Math.max(step, inbox.newestStep); at++) {
      const shards = inbox.missing(at, this.dealt(loop, at));
      if (shards.length > 0) this.post({ kind: 'need', ringEpoch, step: at, shards });
    }
  }

  /** Shard after shard; between two of them the thread reads its messages. */
  private compute(loop: Loop, shards: readonly number[]): void {
    const { cluster, nextUpdate: update } = this;
    if (this.flip) {
      this.flip = false;
      // No two flips are alike.
      this.bits = (this.bits ^ (1 + 2 ** 31 * cluster.random.next())) >>> 0;
      cluster.watcher.onFlipped(loop.start.members.length);
    }
    if (this.breakdown || cluster.scenario.poisonedUpdate === update) {
      this.breakdown = false;
      return this.fail(loop, 'run-failed', null);
    }
    this.phase = 'compute';
    loop.enteredMs = cluster.timeline.nowMs;
    const parts = new Map<number, number>();
    const next = (rest: readonly number[]): void => {
      const [shard, ...others] = rest;
      if (shard === undefined) return this.reduce(loop, parts);
      this.isComputing = true;
      this.thread.after(cluster.scenario.computeMs * this.slowness * cluster.random.between(0.8, 1.2), () => {
        this.isComputing = false;
        this.obey();
        if (loop.over) return;
        parts.set(shard, gradient(this.bits, update, shard));
        next(others);
      });
    };
    next(shards);
  }

  private reduce(loop: Loop, parts: ReadonlyMap<number, number>): void {
    if (loop.failed !== null) return this.fail(loop, loop.failed.code, loop.failed.neighbour);
    const update = this.nextUpdate;
    this.phase = 'reduce';
    loop.ring?.enter(this.workerId, update, parts, (sum) => {
      if (!loop.over) this.apply(loop, update, sum);
    });
  }

  private apply(loop: Loop, update: number, sum: number): void {
    const { inbox, reporter, cluster } = this;
    const { ringEpoch, reportEverySteps } = loop.start;
    this.bits = applied(this.bits, update, sum);
    this.nextUpdate = update + 1;
    this.pace.measured(cluster.timeline.nowMs - loop.enteredMs);
    const row = rowOf(update, sum);
    reporter.rows.add(row);
    reporter.addUpdate();
    cluster.watcher.onApplied(this.workerId, loop.start, row, this.bits);
    if (this.nextUpdate % FINGERPRINT_EVERY_UPDATES === 0)
      reporter.addFingerprint(this.nextUpdate, fingerprintOf(this.bits));
    if (networkOf(update) === 'generator') {
      inbox.dropBelow(stepOf(update) + 1);
      reporter.rows.dropBelow(Math.min(inbox.durable, inbox.committed));
      if (reporter.isDue(loop.rank, reportEverySteps, cluster.timeline.nowMs)) this.report(ringEpoch);
    }
    this.waitForShards(loop);
  }

  private report(ringEpoch: number): void {
    const { nowMs } = this.cluster.timeline;
    const report = this.reporter.take(ringEpoch, this.nextUpdate, this.inbox.committed, nowMs);
    this.post({ kind: 'report', report });
  }

  private doTasks(ringEpoch: number): void {
    if (this.tasks.length === 0) return;
    const { nextUpdate: update, bits } = this;
    const tasks = this.tasks.filter((task) => task.ringEpoch === ringEpoch);
    this.tasks = tasks.filter((task) => task.update > update);
    let settles = false;
    for (const task of tasks) {
      if (task.update > update) continue;
      if (task.kind === 'settle') settles ||= task.update === update;
      else if (task.update < update)
        this.post({ kind: 'taskFailed', task: task.task, message: `before update ${update} already` });
      else this.cluster.storeFor(this.workerId, task, bits);
    }
    if (!settles) return;
    this.reporter.addFingerprint(update, fingerprintOf(bits));
    this.report(ringEpoch);
  }
}
