import { hostname } from 'node:os';
import {
  OperationalError,
  PROTOCOL_VERSION,
  messageOf,
  type DownMessage,
  type UpMessage,
} from '../proto/index.js';
import type { Bus } from '../proto/runtime/bus.js';
import type { Log } from '../proto/runtime/log.js';
import type { EngineProbe } from './engine/index.js';
import { ObjectFiles } from './object-files.js';
import type { FromReplica, ReplicaHost } from './replica/index.js';

const HELLO_EVERY_MS = 500;
const HEARTBEAT_EVERY_MS = 1_000;

export interface WorkerEnd {
  readonly exitStatus: number;
  readonly message: string;
}

export interface AgentOptions {
  readonly workerId: string;
  readonly advertiseHost: string;
  readonly probes: readonly EngineProbe[];
  /** The engine that this worker would take when the run leaves it to `auto`. */
  readonly engine: string;
}

/**
 * The control thread of a worker: speaks with the coordinator over NATS and passes on to the replica thread what
 * concerns it. It never computes, so that it answers while the replica is busy.
 */
export class Agent {
  private files: ObjectFiles | null = null;
  private runId: string | null = null;
  private ready: UpMessage<'ready'> | null = null;
  private surveyed = false;
  /** Newest ring epoch whose start was taken up, and whose start the replica has. */
  private startTaken = 0;
  private startPosted = 0;
  private readonly timers: NodeJS.Timeout[] = [];
  private finish: (end: WorkerEnd) => void = () => undefined;
  readonly ended: Promise<WorkerEnd>;

  constructor(
    private readonly bus: Bus,
    private readonly replica: ReplicaHost,
    private readonly options: AgentOptions,
    private readonly log: Log,
  ) {
    this.ended = new Promise((resolve) => (this.finish = resolve));
    const { workerId } = options;
    replica.onMessage((message) => this.fromReplica(message));
    bus.onDown('welcome', workerId, (message) => this.onWelcome(message));
    bus.onDown('refused', workerId, ({ code, message }) => {
      this.end({
        exitStatus: code === 'protocol' || code === 'usage' || code === 'fingerprint-mismatch' ? 2 : 1,
        message,
      });
    });
    bus.onDown('start', workerId, (message) => void this.onStart(message));
    bus.onDown('checkpoint', workerId, (message) => replica.post({ kind: 'checkpoint', ...message }));
    bus.onDown('export', workerId, (message) => replica.post({ kind: 'export', ...message }));
    bus.onDown('settle', workerId, (message) => replica.post({ kind: 'settle', ...message }));
    bus.onAssignment(workerId, (frame) => replica.assign(frame));
    bus.onAll('announce', () => this.hello());
    bus.onAll('survey', (message) => {
      if (this.ready === null) return;
      this.surveyed = true;
      replica.post({ kind: 'survey', ...message });
    });
    bus.onAll('stop', ({ reason, failed }) => this.end({ exitStatus: failed ? 1 : 0, message: reason }));
    this.every(HELLO_EVERY_MS, () => {
      if (this.runId === null) this.hello();
    });
    this.every(HEARTBEAT_EVERY_MS, () => this.heartbeat());
    this.hello();
  }

  /** Says goodbye and ends. */
  leave(reason: string): void {
    this.bus.up('goodbye', this.options.workerId, { workerId: this.options.workerId, reason });
    this.end({ exitStatus: 0, message: reason });
  }

  private every(periodMs: number, action: () => void): void {
    this.timers.push(setInterval(action, periodMs));
  }

  private end(end: WorkerEnd): void {
    for (const timer of this.timers) clearInterval(timer);
    this.finish(end);
  }

  private hello(): void {
    const { workerId, advertiseHost, probes, engine } = this.options;
    this.bus.up('hello', workerId, {
      protocol: PROTOCOL_VERSION,
      workerId,
      hostname: hostname(),
      pid: process.pid,
      ring: { host: advertiseHost, port: this.replica.ringPort },
      engines: [...probes],
      engine,
    });
  }

  private heartbeat(): void {
    const { workerId } = this.options;
    const { ringEpoch, nextUpdate, phase } = this.replica.progress();
    this.bus.up('heartbeat', workerId, { workerId, runId: this.runId, ringEpoch, nextUpdate, phase });
    // Core NATS may lose it; the survey is what shows that it has come.
    if (this.ready !== null && !this.surveyed) this.bus.up('ready', workerId, this.ready);
  }

  private onWelcome({ runId, spec }: DownMessage<'welcome'>): void {
    if (this.runId !== null) return;
    this.runId = runId;
    this.files = new ObjectFiles(this.bus.connection, runId);
    this.log.info({ runId, engine: spec.engine }, 'welcomed');
    this.replica.post({ kind: 'prepare', runId, spec });
  }

  private async onStart(start: DownMessage<'start'>): Promise<void> {
    if (start.ringEpoch <= this.startTaken || this.files === null) {
      // A repeated start: the replica acknowledges again, unless its state is still being fetched.
      if (start.ringEpoch === this.startPosted) this.replica.post({ kind: 'start', start, state: null });
      return;
    }
    this.startTaken = start.ringEpoch;
    try {
      const { source } = start;
      const state =
        source.kind === 'checkpoint' ? await this.files.fetch(source.object, source.sha256) : null;
      this.startPosted = start.ringEpoch;
      this.replica.post({ kind: 'start', start, state });
    } catch (error) {
      this.failure(start.ringEpoch, error);
    }
  }

  private failure(ringEpoch: number, error: unknown): void {
    const { workerId } = this.options;
    const code = error instanceof OperationalError ? error.code : 'run-failed';
    this.log.error({ err: error }, 'failure');
    this.bus.up('failure', workerId, {
      workerId,
      ringEpoch,
      code,
      message: messageOf(error).slice(0, 4_000),
    });
  }

  private fromReplica(message: FromReplica): void {
    const { workerId } = this.options;
    const { bus } = this;
    switch (message.kind) {
      case 'listening':
        return;
      case 'ready': {
        if (this.runId === null) return;
        const { engine, engineVersion, engineThreads, engineFingerprint } = message;
        this.ready = { workerId, runId: this.runId, engine, engineVersion, engineFingerprint };
        this.log.info({ engine, engineVersion, engineThreads, engineFingerprint }, 'engine is up');
        return bus.up('ready', workerId, this.ready);
      }
      case 'standing': {
        const { survey, nextUpdate, stateFingerprint } = message;
        return bus.up('standing', workerId, { workerId, survey, nextUpdate, stateFingerprint });
      }
      case 'started': {
        const { ringEpoch, nextUpdate, stateFingerprint } = message;
        return bus.up('started', workerId, { workerId, ringEpoch, nextUpdate, stateFingerprint });
      }
      case 'report': {
        const { rows, fingerprints, ...rest } = message.report;
        return bus.up('report', workerId, {
          workerId,
          ...rest,
          rows: [...rows],
          fingerprints: [...fingerprints],
        });
      }
      case 'need':
        return bus.up('need', workerId, {
          workerId,
          ringEpoch: message.ringEpoch,
          step: message.step,
          shards: [...message.shards],
        });
      case 'failure':
        this.log.error({ code: message.code, ringEpoch: message.ringEpoch }, message.message);
        return bus.up('failure', workerId, {
          workerId,
          ringEpoch: message.ringEpoch,
          code: message.code,
          message: message.message,
        });
      case 'state':
        return void this.storeState(message);
      case 'exported':
        return void this.storeExport(message);
      case 'taskFailed':
        return bus.up('taskFailed', workerId, { workerId, task: message.task, message: message.message });
      case 'fatal':
        bus.up('goodbye', workerId, { workerId, reason: message.message });
        return this.end({
          exitStatus: message.code === 'usage' || message.code === 'engine-unavailable' ? 2 : 1,
          message: message.message,
        });
    }
  }

  private async storeState(message: FromReplica & { kind: 'state' }): Promise<void> {
    const { task, update, stateFingerprint, object, bytes } = message;
    await this.attempt(task, async (workerId, files) => {
      const file = await files.put({ name: object, bytes });
      this.bus.up('checkpointed', workerId, { workerId, task, update, file, stateFingerprint });
    });
  }

  private async storeExport(message: FromReplica & { kind: 'exported' }): Promise<void> {
    const { task, prefix, update, files: exported } = message;
    await this.attempt(task, async (workerId, files) => {
      const stored = [];
      for (const { name, bytes } of exported)
        stored.push(await files.put({ name: `${prefix}/${name}`, bytes }));
      this.bus.up('exported', workerId, { workerId, task, update, files: stored });
    });
  }

  private async attempt(
    task: string,
    work: (workerId: string, files: ObjectFiles) => Promise<void>,
  ): Promise<void> {
    const { workerId } = this.options;
    try {
      if (this.files !== null) await work(workerId, this.files);
    } catch (error) {
      this.log.error({ err: error, task }, 'task failed');
      this.bus.up('taskFailed', workerId, { workerId, task, message: messageOf(error).slice(0, 4_000) });
    }
  }
}
