import { hostname } from 'node:os';
import type { NatsConnection } from 'nats';
import {
  OperationalError,
  PROTOCOL_VERSION,
  firstLineOf,
  limits,
  messageOf,
  stepOf,
  type DownMessage,
  type HeldDevice,
  type UpMessage,
} from '../proto/index.js';
import type { Bus } from '../proto/runtime/bus.js';
import type { FaultHook } from '../proto/runtime/fault-injection.js';
import type { Log } from '../proto/runtime/log.js';
import { sha256Of } from '../proto/runtime/sha256.js';
import type { EngineProbe } from './engine/index.js';
import { exportGenerator } from './export/index.js';
import type { WorkerMetrics } from './metrics.js';
import { ObjectFiles } from './object-files.js';
import type { FromReplica, ReplicaHost } from './replica/index.js';
import { TaskResults } from './task-results.js';

const HELLO_EVERY_MS = 500;
const HEARTBEAT_EVERY_MS = 500;
/** A replica thread that gave no sign of life for so long will not: whoever started this process starts another. */
const HUNG_MS = 120_000;
/** A worker that leaves waits so long for others to take over; the rest of a container's ten seconds is for the exit. */
const LEAVE_WITHIN_MS = 8_000;

export interface WorkerEnd {
  readonly exitStatus: number;
  readonly message: string;
}

export interface AgentOptions {
  /** Of this process. */
  readonly workerId: string;
  readonly name: string;
  /** Where other workers reach this one; asked again after each reconnect, when a machine may have got another address. */
  readonly advertiseHost: () => Promise<string>;
  /** The ring speaks TLS. */
  readonly ringTls: boolean;
  readonly probes: readonly EngineProbe[];
  /** The engine that this worker would take when the run leaves it to `auto`. */
  readonly engine: string;
  /** The one engine that it may use; `auto` when the run decides. */
  readonly askedEngine: string;
  /** UUID of the card that was named for it; null to be leased one where the engine needs it. */
  readonly device: string | null;
  readonly fault: FaultHook;
  readonly metrics: WorkerMetrics;
  /** For the object store alone: heartbeats must not stand behind 24 MB of a checkpoint. */
  readonly objects: NatsConnection;
}

/**
 * The control thread of a worker: speaks with the coordinator over NATS and passes on to the replica thread what
 * concerns it. It never computes, so that it answers while the replica is busy.
 */
export class Agent {
  private files: ObjectFiles | null = null;
  private runId: string | null = null;
  private ringHost: string | null = null;
  private device: HeldDevice | null;
  /** What keeps the coordinator from welcoming this worker, in its words. */
  private waitsFor: string | null = null;
  private ready: Omit<UpMessage<'ready'>, 'nextUpdate'> | null = null;
  /** Highest term heard of: a coordinator of a lower one is not obeyed. */
  private term = 0;
  private surveyed = false;
  private leaving: string | null = null;
  /** What the coordinator has to be told until it surveys. */
  private failure: UpMessage<'failure'> | null = null;
  private beat = { value: -1, sinceMs: 0 };
  private readonly results: TaskResults;
  /** Sample grids that the coordinator may not have yet, by step. */
  private readonly samples = new Map<number, UpMessage<'sample'>>();
  private readonly timers: NodeJS.Timeout[] = [];
  private isOver = false;
  private finish: (end: WorkerEnd) => void = () => undefined;
  readonly ended: Promise<WorkerEnd>;

  constructor(
    private readonly bus: Bus,
    private readonly replica: ReplicaHost,
    private readonly options: AgentOptions,
    private readonly log: Log,
  ) {
    this.ended = new Promise((resolve) => (this.finish = resolve));
    this.device = options.device === null ? null : { uuid: options.device, pinned: true };
    this.results = new TaskResults(bus, options.workerId);
    replica.onMessage((message) => this.fromReplica(message));
    this.listen();
    this.every(HELLO_EVERY_MS, () => {
      if (this.runId === null) this.hello();
    });
    this.every(HEARTBEAT_EVERY_MS, () => this.heartbeat());
    void this.findRingHost();
  }

  private listen(): void {
    const { bus, replica } = this;
    const { workerId } = this.options;
    bus.onDown('welcome', workerId, (message) => {
      if (this.obeys(message.term)) this.onWelcome(message);
    });
    bus.onDown('wait', workerId, ({ term, message }) => {
      if (this.obeys(term)) this.onWait(message);
    });
    bus.onDown('refused', workerId, ({ term, code, message }) => {
      if (this.obeys(term)) this.end({ exitStatus: code === 'device' ? 1 : 2, message });
    });
    bus.onDown('start', workerId, (start) => {
      if (!this.obeys(start.term)) return;
      this.failure = this.failure !== null && this.failure.ringEpoch >= start.ringEpoch ? this.failure : null;
      this.samples.clear();
      replica.post({ kind: 'start', start });
    });
    for (const topic of ['checkpoint', 'export'] as const) {
      bus.onDown(topic, workerId, (message) => {
        if (!this.obeys(message.term) || this.results.repeat(message.task)) return;
        if (topic === 'checkpoint') replica.post({ kind: topic, ...(message as DownMessage<'checkpoint'>) });
        else replica.post({ kind: topic, ...(message as DownMessage<'export'>) });
      });
    }
    bus.onDown('settle', workerId, (message) => {
      if (this.obeys(message.term)) replica.post({ kind: 'settle', ...message });
    });
    bus.onDown('released', workerId, ({ term }) => {
      if (this.obeys(term) && this.leaving !== null) this.go(this.leaving);
    });
    bus.onAssignment(workerId, (frame) => replica.assign(frame));
    bus.onAll('announce', ({ term }) => {
      if (!this.obeys(term)) return;
      this.surveyed = false;
      this.hello();
      this.tellReady();
    });
    bus.onAll('survey', (message) => {
      if (!this.obeys(message.term) || this.ready === null) return;
      this.surveyed = true;
      this.failure = null;
      replica.post({ kind: 'survey', ...message });
    });
    bus.onAll('sampled', ({ term, step }) => {
      if (this.obeys(term)) this.samples.delete(step);
    });
    bus.onAll('stop', ({ term, reason, failed }) => {
      if (this.obeys(term)) this.end({ exitStatus: failed ? 1 : 0, message: reason });
    });
    bus.onConnection((up) => {
      replica.setOffline(!up);
      if (up) void this.findRingHost();
    });
  }

  /** Whether the engine is up and the coordinator is heard; else what is missing, in words. */
  unready(): string | null {
    if (this.isOver) return 'the run is over';
    if (this.runId === null) return this.waitsFor ?? 'no coordinator has answered yet';
    if (this.ready === null) return 'the engine is being prepared';
    return this.leaving === null ? null : 'leaving';
  }

  /** Leaves in order: goes on until the others can do without this worker, or have not taken over in time. */
  leave(reason: string): void {
    if (this.leaving !== null) return;
    if (this.ready === null) return this.go(reason);
    this.leaving = reason;
    this.tellLeaving();
    this.timers.push(setTimeout(() => this.go(reason), LEAVE_WITHIN_MS));
  }

  /** Says goodbye and ends. */
  go(reason: string): void {
    if (this.isOver) return;

    this.bus.up('goodbye', this.options.workerId, { workerId: this.options.workerId, reason });
    this.end({ exitStatus: 0, message: reason });
  }

  /** Whether a message comes from the coordinator that leads, as far as is known; nobody is obeyed when all is over. */
  private obeys(term: number): boolean {
    if (this.isOver) return false;
    if (term < this.term) {
      this.bus.rejections.count('stale');
      return false;
    }
    this.term = term;
    return true;
  }

  private every(periodMs: number, action: () => void): void {
    this.timers.push(setInterval(action, periodMs));
  }

  /** Says and does nothing more. */
  close(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.isOver = true;
  }

  private end(end: WorkerEnd): void {
    this.close();
    this.finish(end);
  }

  /** Says hello when the address is found, or is another one than before. */
  private async findRingHost(): Promise<void> {
    try {
      const host = await this.options.advertiseHost();
      if (host === this.ringHost || this.isOver) return;
      if (this.ringHost !== null) this.log.info({ host }, 'is reached at another address');
      this.ringHost = host;
      this.hello();
    } catch (error) {
      this.log.warn({ err: error }, 'the address at which others reach this worker cannot be found');
    }
  }

  private hello(): void {
    const { workerId, name, ringTls, probes, engine } = this.options;
    const { ringHost } = this;
    if (ringHost === null) return void this.findRingHost();
    this.bus.up('hello', workerId, {
      protocol: PROTOCOL_VERSION,
      workerId,
      name,
      hostname: hostname(),
      pid: process.pid,
      ring: { host: ringHost, port: this.replica.ringPort, tls: ringTls },
      engines: probes.map((probe) => ({ ...probe, devices: probe.devices.slice(0, limits.maxDevices) })),
      engine,
      device: this.device,
    });
  }

  private heartbeat(): void {
    const { workerId } = this.options;
    const { ringEpoch, nextUpdate, phase, beat } = this.replica.progress();
    const nowMs = performance.now();
    if (beat !== this.beat.value) this.beat = { value: beat, sinceMs: nowMs };
    const silentMs = nowMs - this.beat.sinceMs;
    if (silentMs > HUNG_MS) {
      const reason = `the replica thread gave no sign of life for ${HUNG_MS / 1000} s`;
      this.bus.up('goodbye', workerId, { workerId, reason });
      return this.end({ exitStatus: 1, message: reason });
    }
    this.bus.up('heartbeat', workerId, {
      workerId,
      runId: this.runId,
      ringEpoch,
      nextUpdate: nextUpdate ?? 0,
      phase,
      replicaSilentMs: Math.round(silentMs),
    });
    // Core NATS may lose a message: each is repeated until something shows that it has come.
    if (!this.surveyed) this.tellReady();
    if (this.failure !== null) this.bus.up('failure', workerId, this.failure);
    if (this.leaving !== null) this.tellLeaving();
    this.tellSamples();
  }

  private tellSamples(): void {
    for (const sample of this.samples.values()) this.bus.up('sample', this.options.workerId, sample);
  }

  private tellReady(): void {
    if (this.ready === null) return;
    const { nextUpdate } = this.replica.progress();
    this.bus.up('ready', this.options.workerId, { ...this.ready, nextUpdate });
  }

  private tellLeaving(): void {
    const { workerId } = this.options;
    this.bus.up('leaving', workerId, { workerId, reason: this.leaving ?? '' });
  }

  private onWait(message: string): void {
    if (this.runId !== null || this.waitsFor === message) return;
    this.waitsFor = message;
    this.log.warn(message);
  }

  private onWelcome({ runId, spec, device }: DownMessage<'welcome'>): void {
    if (this.runId !== null) return;
    const unfit = this.unfitFor(spec.engine);
    if (unfit !== null) return this.giveUp(unfit);
    this.runId = runId;
    if (this.device === null && device !== null) this.device = { uuid: device, pinned: false };
    this.files = new ObjectFiles(this.options.objects, runId);
    this.options.metrics.welcomed(spec);
    this.log.info({ runId, engine: spec.engine, device: this.device?.uuid }, 'welcomed');
    this.replica.post({ kind: 'prepare', runId, spec, device: this.device?.uuid ?? null });
  }

  /** Why this worker must not compute with the run's engine, in words: nobody gets a CPU who asked for a GPU. */
  private unfitFor(engine: string): string | null {
    const { askedEngine, probes, device } = this.options;
    if (askedEngine !== 'auto' && askedEngine !== engine)
      return `engine ${askedEngine} was asked for by --engine, but the run's engine is ${engine}`;
    const usesCards = probes.some((probe) => probe.name === engine && probe.devices.length > 0);
    if (device !== null && !usesCards)
      return `GPU ${device} was asked for by --device, but the run's engine ${engine} uses none`;
    return null;
  }

  /** Ends as one that was used wrongly. */
  private giveUp(reason: string): void {
    this.bus.up('goodbye', this.options.workerId, { workerId: this.options.workerId, reason });
    this.end({ exitStatus: 2, message: reason });
  }

  private fromReplica(message: FromReplica): void {
    if (this.isOver) return; // the others' links end as well
    const { workerId } = this.options;
    const { bus } = this;
    switch (message.kind) {
      case 'listening':
        return;
      case 'refusedAssignment':
        return bus.rejections.count(message.reason);
      case 'ready': {
        if (this.runId === null) return;
        const { engine, engineVersion, engineThreads, engineFingerprint, firstShardMs } = message;
        this.ready = {
          workerId,
          runId: this.runId,
          engine,
          engineVersion,
          engineFingerprint,
          firstShardMs,
          device: this.device,
        };
        this.options.metrics.prepared({
          worker: this.options.name,
          engine,
          engineVersion,
          threads: engineThreads,
        });
        this.log.info({ engine, engineVersion, engineThreads, engineFingerprint }, 'engine is up');
        return this.tellReady();
      }
      case 'standing': {
        const { kind, ...standing } = message;
        return bus.up(kind, workerId, { workerId, ...standing });
      }
      case 'started': {
        const { ringEpoch, nextUpdate, stateFingerprint } = message;
        return bus.up('started', workerId, { workerId, ringEpoch, nextUpdate, stateFingerprint });
      }
      case 'report': {
        const { rows, fingerprints, durations, ...rest } = message.report;
        this.options.metrics.observe(rest.totals, durations);
        return bus.up('report', workerId, {
          workerId,
          ...rest,
          rows: [...rows],
          fingerprints: [...fingerprints],
        });
      }
      case 'sample': {
        const { ringEpoch, step, images } = message;
        this.samples.set(step, { workerId, ringEpoch, step, images });
        return this.tellSamples();
      }
      case 'need':
        return bus.up('need', workerId, {
          workerId,
          ringEpoch: message.ringEpoch,
          step: message.step,
          shards: [...message.shards],
        });
      case 'failure': {
        const { ringEpoch, code, neighbour } = message;
        this.log.warn({ code, ringEpoch, neighbour }, message.message);
        this.failure = { workerId, ringEpoch, code, message: firstLineOf(message.message), neighbour };
        return bus.up('failure', workerId, this.failure);
      }
      case 'fetch':
        return void this.fetch(message.object, message.sha256);
      case 'state':
        return void this.storeState(message);
      case 'toExport':
        return void this.storeExport(message);
      case 'taskFailed':
        return this.results.failed(message.task, message.message);
      case 'fatal':
        bus.up('goodbye', workerId, { workerId, reason: firstLineOf(message.message).slice(0, 4_000) });
        return this.end({
          exitStatus: message.code === 'usage' || message.code === 'engine-unavailable' ? 2 : 1,
          message: message.message,
        });
    }
  }

  /** Reads a checkpoint for the replica. */
  private async fetch(object: string, sha256: string): Promise<void> {
    try {
      if (this.files === null) throw new OperationalError('checkpoint', 'no run is known');
      const bytes = await this.files.fetch(object, sha256);
      this.replica.post({ kind: 'fetched', object, bytes });
    } catch (error) {
      this.log.error({ err: error, object }, 'a checkpoint could not be read');
      this.replica.post({ kind: 'notFetched', object, message: messageOf(error) });
    }
  }

  private async storeState(message: FromReplica & { kind: 'state' }): Promise<void> {
    const { task, update, stateFingerprint, object, bytes } = message;
    this.options.fault?.('in-checkpoint', update);
    await this.attempt(task, async (files) => {
      const file = await files.put({ name: object, bytes });
      this.results.checkpointed({ task, update, file, stateFingerprint });
    });
  }

  private async storeExport(message: FromReplica & { kind: 'toExport' }): Promise<void> {
    const { task, networks, prefix, update, spec, state, parameters, statistics, samples } = message;
    await this.attempt(task, async (files) => {
      const stateSha256 = sha256Of(state);
      const exported = await exportGenerator({
        ...{ spec, networks, step: stepOf(update), parameters, statistics, stateSha256 },
        generate: () => Promise.resolve(samples),
      });
      this.options.fault?.('in-export', update);
      const stored = [];
      for (const { name, bytes } of exported)
        stored.push(await files.put({ name: `${prefix}/${name}`, bytes }));
      this.results.exported({ task, update, stateSha256, files: stored });
    });
  }

  private async attempt(task: string, work: (files: ObjectFiles) => Promise<void>): Promise<void> {
    try {
      if (this.files !== null) await work(this.files);
    } catch (error) {
      this.log.error({ err: error, task }, 'task failed');
      this.results.failed(task, messageOf(error));
    }
  }
}
