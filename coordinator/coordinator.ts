import { randomBytes } from 'node:crypto';
import {
  OperationalError,
  encodeAssignment,
  globalBatch,
  messageOf,
  stepOf,
  stepsPerPass,
  type FileRecord,
  type NetworkName,
  type OutMessage,
  type RunSpec,
  type UpMessage,
  type WorkerTotals,
} from '../proto/index.js';
import type { Bus } from '../proto/runtime/bus.js';
import type { FaultHook } from '../proto/runtime/fault-injection.js';
import type { Log } from '../proto/runtime/log.js';
import { storeWords } from '../proto/runtime/stores.js';
import { parseIdx, type Dataset } from './dataset/index.js';
import type { History } from './history.js';
import { ImageOrder } from './image-order.js';
import type { Leadership } from './leadership.js';
import { newestAnswer, type NewestAnswer } from './newest-export.js';
import type { NewestShelf } from './newest-shelf.js';
import type { RunObserver } from './observer.js';
import { gridPng } from './picture.js';
import { RateMeter } from './rate-meter.js';
import { workerLines, type ResultFolder, type RunFile } from './result-folder.js';
import { advance } from './run-machine.js';
import {
  reportEverySteps,
  type Outcome,
  type RingEpoch,
  type RunCommand,
  type RunEvent,
  type RunState,
} from './run-state.js';
import { OutdatedError, exportPrefix, stateObjectName, type RunStore } from './run-store.js';
import { lossesPng, progressGif, runGrid, type SampleShelf } from './samples/index.js';
import { statusOf } from './status.js';

const TICK_MS = 100;
const STATUS_EVERY_TICKS = 3;
/** A lead that is in doubt for longer is an outage, not a process that was paused. */
const MAX_TICKS_IN_DOUBT = 10;
/** Name under which a worker exports the images that `samples.png` is drawn from. */
const SAMPLES_FILE = 'samples-idx3-ubyte';

export interface Ended {
  readonly outcome: Outcome;
  readonly exitStatus: number;
  readonly message: string;
}

/** Events that come once and not from outside: they are not lost while the lead is in doubt. */
const EFFECT_EVENTS: ReadonlySet<RunEvent['kind']> = new Set<RunEvent['kind']>([
  'ringWritten',
  'ringNotWritten',
  'checkpointCommitted',
  'taskFailed',
  'newestKept',
  'newestFailed',
  'resultWritten',
  'effectFailed',
  'stopRequested',
  'foundComplete',
]);

/** Another coordinator leads now: this one has changed nothing since and is to stand by. */
export const DEPOSED = 'deposed';

export interface CoordinatorParts {
  readonly bus: Bus;
  readonly store: RunStore;
  readonly dataset: Dataset;
  readonly folder: ResultFolder;
  readonly history: History;
  readonly lead: Leadership;
  readonly log: Log;
  /** The sample grids that are made on the way. */
  readonly samples: SampleShelf;
  /** The generators that are exported on the way. */
  readonly newest: NewestShelf;
  readonly nowMs: () => number;
  readonly fault: FaultHook;
}

/**
 * The one loop that carries out what the run machine decides: events go in one at a time, commands come out and are
 * done; what takes time (the stores, files) comes back as an event.
 */
export class Coordinator {
  private readonly order: ImageOrder;
  private readonly rate = new RateMeter();
  private readonly pixels: Uint8Array;
  private readonly startedAt = new Date();
  private readonly firstStep: number;
  /** Of every process that took part, also of those that are gone. */
  private readonly totals = new Map<string, WorkerTotals>();
  private readonly names = new Map<string, string>();
  /** What came of effects while the lead was in doubt. */
  private held: RunEvent[] = [];
  private readonly observers: RunObserver[] = [];
  private ticks = 0;
  private ticksInDoubt = 0;
  private busUp = true;
  private trainingSinceMs: number | null = null;
  private readonly elapsedBeforeS: number;
  private ringEpochs = 0;
  private files: readonly FileRecord[] = [];
  private finish: (ended: Ended | typeof DEPOSED) => void = () => undefined;
  private readonly timer: NodeJS.Timeout;
  readonly ended: Promise<Ended | typeof DEPOSED>;

  constructor(
    private state: RunState,
    private readonly parts: CoordinatorParts,
  ) {
    const { bus, lead } = parts;
    this.order = new ImageOrder(state.spec);
    this.pixels = new Uint8Array(state.spec.shardBatch * parts.dataset.imageSize);
    this.firstStep = stepOf(state.committed);
    this.elapsedBeforeS = parts.history.last?.elapsedS ?? 0;
    this.ended = new Promise((resolve) => (this.finish = resolve));
    bus.onUp('hello', (message) => this.handle({ kind: 'hello', message }));
    bus.onUp('ready', (message) => this.handle({ kind: 'ready', message }));
    bus.onUp('heartbeat', (message) => this.handle({ kind: 'heartbeat', message }));
    bus.onUp('standing', (message) => this.handle({ kind: 'standing', message }));
    bus.onUp('started', (message) => this.handle({ kind: 'started', message }));
    bus.onUp('report', (message) => this.handle({ kind: 'report', message }));
    bus.onUp('need', (message) => this.handle({ kind: 'need', message }));
    bus.onUp('sample', (message) => this.handle({ kind: 'sample', message }));
    bus.onUp('failure', (message) => this.handle({ kind: 'failure', message }));
    bus.onUp('checkpointed', (message) => this.handle({ kind: 'checkpointed', message }));
    bus.onUp('exported', (message) => this.handle({ kind: 'exported', message }));
    bus.onUp('taskFailed', (message) => this.handle({ kind: 'taskFailed', message }));
    bus.onUp('leaving', (message) => this.handle({ kind: 'leaving', message }));
    bus.onUp('goodbye', (message) => this.handle({ kind: 'goodbye', message }));
    bus.onUp('exited', (message) => this.handle({ kind: 'exited', message }));
    bus.onConnection((up) => {
      this.busUp = up;
      if (up) void lead.renew();
      else this.handle({ kind: 'connection', up });
    });
    lead.watch(
      () => this.depose(),
      () => this.onRenewed(),
    );
    this.carryOut({ kind: 'announce' });
    void this.dropExports();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Ends the run after the assigned steps, with a checkpoint. */
  requestStop(): void {
    this.handle({ kind: 'stopRequested' });
  }

  /** Ends the run at once: the result folder holds all of it. */
  foundComplete(): void {
    this.handle({ kind: 'foundComplete' });
  }

  private tick(): void {
    const { parts } = this;
    const { committed, epoch, connected } = this.state;
    // The store of the lead does not answer, or refuses: without it nothing can be decided.
    this.ticksInDoubt = parts.lead.valid ? 0 : this.ticksInDoubt + 1;
    if (connected && this.ticksInDoubt > MAX_TICKS_IN_DOUBT) this.handle({ kind: 'connection', up: false });
    // Rows that are told again after a coordinator came back are no speed.
    this.rate.record(parts.nowMs(), stepOf(Math.max(committed, epoch?.nextUpdate ?? 0)));
    this.handle({ kind: 'tick' });
    if (this.ticks++ % STATUS_EVERY_TICKS === 0 && parts.lead.valid) this.publishStatus();
  }

  /** The run as it stands. */
  get now(): RunState {
    return this.state;
  }

  status(): OutMessage<'status'> {
    return statusOf(this.state, this.parts.history.last, this.rate.stepsPerSecond());
  }

  /** Asks for the newest generator, for somebody who wants one of these networks, and tells what comes of it. */
  askForNewest(networks: readonly NetworkName[]): NewestAnswer {
    this.handle({ kind: 'newestAsked', networks });
    return newestAnswer(this.state, networks, this.parts.nowMs());
  }

  /** Tells the observer of everything from now on. */
  observe(observer: RunObserver): void {
    this.observers.push(observer);
  }

  private publishStatus(): void {
    this.parts.bus.out('status', this.status());
  }

  /** The lead is sure again: after an outage before anything else. */
  private onRenewed(): void {
    if (this.busUp && !this.state.connected) this.handle({ kind: 'connection', up: true });
    const { held } = this;
    this.held = [];
    for (const event of held) this.handle(event);
  }

  private depose(): void {
    this.parts.log.warn('another coordinator leads now: this one steps down');
    clearInterval(this.timer);
    this.finish(DEPOSED);
  }

  /**
   * A coordinator whose lease may be over does nothing: messages are dropped, since all that matters in them is repeated;
   * what came of effects is kept until the lead is renewed.
   */
  private handle(event: RunEvent): void {
    if (!this.mayHandle(event)) {
      if (EFFECT_EVENTS.has(event.kind)) this.held.push(event);
      return;
    }
    if (event.kind === 'report') this.totals.set(event.message.workerId, event.message.totals);
    if (event.kind === 'ringWritten') this.onRingWritten(event.epoch);
    if (event.kind === 'hello') this.names.set(event.message.workerId, event.message.name);
    const nowMs = this.parts.nowMs();
    const before = this.state;
    const { state, commands } = advance(before, event, nowMs);
    this.state = state;
    for (const observer of this.observers)
      observer.onChange({ event, before, after: state, commands, nowMs });
    for (const command of commands) this.carryOut(command);
  }

  private onRingWritten({ source, nextUpdate }: Pick<RingEpoch, 'source' | 'nextUpdate'>): void {
    this.rate.restart();
    // The run goes on from what the store keeps: what was drawn later is drawn again.
    if (source.kind !== 'peer') this.parts.samples.truncate(stepOf(nextUpdate));
  }

  private mayHandle(event: RunEvent): boolean {
    if (this.parts.lead.valid) return true;
    const offline = event.kind === 'tick' && !this.state.connected;
    return offline || (event.kind === 'connection' && !event.up);
  }

  /** Runs what takes time; its failure ends the run, unless `onError` makes another event of it. */
  private effect(work: Promise<RunEvent | null>, onError?: (message: string) => RunEvent): void {
    work.then(
      (event) => {
        if (event !== null) this.handle(event);
      },
      (error: unknown) => {
        if (!(error instanceof OperationalError)) this.parts.log.error({ err: error }, 'effect failed');
        const message = storeWords(error);
        this.handle(onError?.(message) ?? { kind: 'effectFailed', message });
      },
    );
  }

  private carryOut(command: RunCommand): void {
    const { bus, log } = this.parts;
    const { term } = this.state;
    switch (command.kind) {
      case 'announce':
        return bus.all('announce', { term, runId: this.state.plan.runId });
      case 'welcome':
        return bus.down('welcome', command.workerId, {
          term,
          runId: this.state.plan.runId,
          spec: command.spec,
          device: command.device,
        });
      case 'wait':
        return bus.down('wait', command.workerId, { term, message: command.message.slice(0, 4_000) });
      case 'refuse':
        return bus.down('refused', command.workerId, {
          term,
          code: command.code,
          message: command.message.slice(0, 4_000),
        });
      case 'release':
        return bus.down('released', command.workerId, { term });
      case 'survey':
        bus.all('survey', { term, survey: command.survey, ringEpoch: command.ringEpoch });
        return this.parts.fault?.('surveyed', this.state.committed);
      case 'writeRing':
        return this.effect(this.writeRing(command));
      case 'start':
        return this.sendStart(command.workerId);
      case 'assign':
        return this.assign(command.workerId, command.step, command.shard);
      case 'append':
        return this.parts.history.append(command.rows, this.elapsedS());
      case 'truncate':
        return this.parts.history.truncate(stepOf(command.update));
      case 'keepSample':
        this.parts.samples.add(command.step, command.images);
        return bus.all('sampled', { term, step: command.step });
      case 'settle':
        return bus.down('settle', command.workerId, {
          term,
          ringEpoch: this.ringEpoch(),
          update: command.update,
        });
      case 'takeCheckpoint': {
        const { task, update } = command;
        const object = stateObjectName(stepOf(update), term, task);
        return bus.down('checkpoint', command.workerId, {
          term,
          ringEpoch: this.ringEpoch(),
          task,
          update,
          object,
        });
      }
      case 'commitCheckpoint':
        return this.effect(this.commitCheckpoint(command.message), (message) => ({
          kind: 'taskFailed',
          message: { workerId: command.message.workerId, task: command.message.task, message },
        }));
      case 'export':
        return bus.down('export', command.workerId, {
          term,
          ringEpoch: this.ringEpoch(),
          task: command.task,
          update: 2 * this.state.goal,
          networks: [...this.state.plan.networks],
          prefix: `generator-${this.state.goal}`,
        });
      case 'exportNewest': {
        const { task, update, networks } = command;
        return bus.down('export', command.workerId, {
          ...{ term, ringEpoch: this.ringEpoch(), task, update, networks: [...networks] },
          prefix: exportPrefix(stepOf(update), term, task),
        });
      }
      case 'keepNewest':
        return this.effect(this.keepNewest(command), (message) => ({
          ...{ kind: 'newestFailed', task: command.task, message },
        }));
      case 'writeResult':
        return this.effect(this.writeResult(command.outcome, command.files));
      case 'say':
        log[command.level === 'warning' ? 'warn' : command.level](command.text);
        return bus.out('event', {
          runId: this.state.plan.runId,
          level: command.level,
          text: command.text.slice(0, 4_000),
        });
      case 'end':
        return this.end(command);
    }
  }

  private ringEpoch(): number {
    return this.state.epoch?.ringEpoch ?? 0;
  }

  private elapsedS(): number {
    const here = this.trainingSinceMs === null ? 0 : (this.parts.nowMs() - this.trainingSinceMs) / 1000;
    return this.elapsedBeforeS + here;
  }

  private async writeRing(command: RunCommand & { kind: 'writeRing' }): Promise<RunEvent> {
    const { world, spares, nextUpdate, stateFingerprint, source, cause, reason, trustedFrom } = command;
    const { store, log, fault } = this.parts;
    try {
      // A run may have been made longer: its record tells the new length before anything is done for it.
      await store.writeRecord(this.frozenSpec(), this.state.plan.steps);
      const ringEpoch = await store.writeRing({
        world: [...world],
        spares: [...spares],
        nextUpdate,
        source,
        reason,
        trustedFrom,
      });
      fault?.('ring-written', nextUpdate);
      log.info({ ringEpoch, world, spares, nextUpdate, reason }, 'ring epoch written');
      if (this.trainingSinceMs === null) await this.writeRunFile('running');
      this.trainingSinceMs ??= this.parts.nowMs();
      this.ringEpochs += 1;
      const secret = randomBytes(32).toString('hex');
      const decided = { world, spares, nextUpdate, stateFingerprint, source, cause, reason };
      return { kind: 'ringWritten', epoch: { ...decided, ringEpoch, secret } };
    } catch (error) {
      if (!(error instanceof OutdatedError) && error instanceof OperationalError) throw error;
      // What cannot be read now is read before the next attempt.
      if (error instanceof OutdatedError) await store.refresh().catch(() => undefined);
      return { kind: 'ringNotWritten', message: storeWords(error) };
    }
  }

  /** The result folder's record; only the first must succeed, others are shown when they do not. */
  private async writeRunFile(outcome: RunFile['outcome'], sha256?: string, steps?: number): Promise<void> {
    await this.parts.folder.writeRunFile(this.runFile(outcome, this.frozenSpec(), sha256, steps));
  }

  private sendStart(workerId: string): void {
    const { epoch, workers, plan } = this.state;
    if (epoch === null) return;
    const { ringEpoch, secret, nextUpdate, stateFingerprint, source } = epoch;
    const members = epoch.world.flatMap((id) => {
      const ring = workers.get(id)?.ring;
      return ring === undefined ? [] : [{ workerId: id, ...ring }];
    });
    // A member that is gone meanwhile is the reason of the next change, which is under way.
    if (members.length < epoch.world.length) return;
    this.parts.bus.down('start', workerId, {
      term: this.state.term,
      ringEpoch,
      members,
      secret,
      nextUpdate,
      stateFingerprint,
      source,
      committed: this.state.committed,
      reportEverySteps: reportEverySteps(plan),
      sampleEverySteps: plan.sampleEverySteps,
      sampledSteps: this.state.sampledSteps,
    });
  }

  private assign(workerId: string, step: number, shard: number): void {
    const { dataset, bus } = this.parts;
    dataset.gather(this.order.indices(step, shard), this.pixels);
    bus.assignment(
      workerId,
      encodeAssignment({
        ringEpoch: this.ringEpoch(),
        step,
        shard,
        rows: this.state.spec.shardBatch,
        rowBytes: dataset.imageSize,
        committedStep: stepOf(this.state.committed),
        durableStep: stepOf(this.state.checkpoint?.update ?? 0),
        pixels: this.pixels,
      }),
    );
  }

  private async commitCheckpoint(message: UpMessage<'checkpointed'>): Promise<RunEvent> {
    const { store, history, log, fault } = this.parts;
    fault?.('checkpoint-stored', message.update);
    const { update, file, stateFingerprint } = message;
    const rows = history.encode(stepOf(update));
    const record = await store
      .commitCheckpoint({ update, object: file.name, sha256: file.sha256, stateFingerprint }, rows)
      .catch(async (error: unknown) => {
        if (error instanceof OutdatedError) await store.refresh().catch(() => undefined);
        throw error;
      });
    log.info({ step: stepOf(update), bytes: file.bytes }, 'checkpoint');
    this.writeRunFile('running', record.sha256, stepOf(update)).catch((error: unknown) =>
      this.carryOut({ kind: 'say', level: 'warning', text: messageOf(error) }),
    );
    return { kind: 'checkpointCommitted', record };
  }

  private async writeResult(
    outcome: 'done' | 'interrupted',
    files: readonly FileRecord[],
  ): Promise<RunEvent> {
    const { folder, history } = this.parts;
    const written: FileRecord[] = [];
    written.push(await folder.write('history.csv', history.toCsv(stepsPerPass(this.state.spec))));
    written.push(...(await this.writeExported(files, folder)));
    written.push(...(await this.writePictures()));
    this.files = written;
    await folder.writeRunFile(this.runFile(outcome, this.frozenSpec()));
    // Of one that came too late for whoever asked.
    await this.dropExports();
    return { kind: 'resultWritten' };
  }

  /** Takes what a worker has exported out of the object store. */
  private async writeExported(files: readonly FileRecord[], folder: ResultFolder): Promise<FileRecord[]> {
    const written: FileRecord[] = [];
    for (const file of files) {
      const bytes = await this.parts.store.readFile(file);
      const name = file.name.slice(file.name.lastIndexOf('/') + 1);
      if (name === SAMPLES_FILE) {
        const { data } = parseIdx(bytes, file.name);
        const grid = runGrid(this.parts.dataset.imageSize);
        written.push(await folder.write('samples.png', gridPng(data, grid)));
      } else {
        written.push(await folder.write(name, bytes));
      }
    }
    return written;
  }

  private async keepNewest(command: RunCommand & { kind: 'keepNewest' }): Promise<RunEvent> {
    const { newest, log } = this.parts;
    const { task, step, stateSha256 } = command;
    const spec = this.frozenSpec();
    await newest.keep(step, stateSha256, async (folder) => {
      const files = await this.writeExported(command.files, folder);
      const run = { ...this.runFile('running', spec, stateSha256, step), files };
      return [...files, await folder.writeRunFile(run)];
    });
    await this.dropExports();
    log.info({ step }, 'the newest generator is there for those who asked');
    return { kind: 'newestKept', task };
  }

  /** What stays is dropped the next time. */
  private async dropExports(): Promise<void> {
    const { store, log } = this.parts;
    await store
      .dropExports(this.state.term)
      .catch((error: unknown) =>
        log.warn({ reason: storeWords(error) }, 'old exports stay in the object store'),
      );
  }

  /** What shows the whole run at a glance. */
  private async writePictures(): Promise<FileRecord[]> {
    const { folder, history, samples, dataset } = this.parts;
    const { spec } = this.state;
    await samples.settled();
    const rows = history.slice(0, history.length);
    const losses = await folder.write('losses.png', lossesPng(rows, stepsPerPass(spec)));
    const gif = await progressGif(samples.frames(), runGrid(dataset.imageSize));
    return gif === null ? [losses] : [losses, await folder.write('progress.gif', gif)];
  }

  private frozenSpec(): RunSpec {
    const { spec } = this.state;
    if (!('engineFingerprint' in spec)) throw new Error('broken invariant: the RunSpec is frozen');
    return spec;
  }

  private runFile(
    outcome: RunFile['outcome'],
    spec: RunSpec,
    stateSha256 = this.state.checkpoint?.sha256 ?? null,
    stepsDone = stepOf(this.state.checkpoint?.update ?? 0),
  ): RunFile {
    const trainingS = this.elapsedS();
    const doneHere = stepsDone - this.firstStep;
    const hereS = trainingS - this.elapsedBeforeS;
    return {
      runId: this.state.plan.runId,
      outcome,
      spec,
      stepsPlanned: this.state.plan.steps,
      stepsDone,
      stateSha256,
      startedAt: this.startedAt.toISOString(),
      trainingS,
      imagesPerSecond: doneHere > 0 && hereS > 0 ? (doneHere * globalBatch(spec)) / hereS : null,
      firstStep: this.firstStep,
      ringEpochs: this.ringEpochs,
      workers: workerLines(this.totals, this.names),
      files: [...this.files],
    };
  }

  private end(command: RunCommand & { kind: 'end' }): void {
    const { bus, lead, log } = this.parts;
    const { outcome, exitStatus, message } = command;
    clearInterval(this.timer);
    log[outcome === 'failed' ? 'error' : 'info'](message);
    this.publishStatus();
    bus.all('stop', { term: this.state.term, reason: message.slice(0, 4_000), failed: outcome === 'failed' });
    const last = outcome === 'failed' ? this.writeFailure() : Promise.resolve();
    void last
      .then(() => lead.end({ outcome, exitStatus, message }, this.state.plan.steps))
      .then(() => {
        const text = message.slice(0, 4_000);
        bus.out('ended', { runId: this.state.plan.runId, outcome, exitStatus, message: text });
        return bus.flush();
      })
      .catch((error: unknown) => log.error({ err: error }, 'last words'))
      .then(() => this.finish({ outcome, exitStatus, message }));
  }

  /** What is known of a run that failed: its history, and that it failed. */
  private async writeFailure(): Promise<void> {
    const { spec } = this.state;
    if (!('engineFingerprint' in spec) || this.state.epoch === null) return;
    const { folder, history } = this.parts;
    await folder.write('history.csv', history.toCsv(stepsPerPass(spec)));
    await folder.writeRunFile(this.runFile('failed', spec));
  }
}
