import {
  PROTOCOL_VERSION,
  type AllMessage,
  type AllTopic,
  type Assignment,
  type DownMessage,
  type DownTopic,
  type UpMessage,
  type UpTopic,
} from '../../../../proto/index.js';
import type { ReplicaTask } from '../../../../worker/replica/port.js';
import { TaskResults } from '../../../../worker/task-results.js';
import { fingerprintOf, sha256Of, type Bits } from './bits.js';
import type { Cluster } from './cluster.js';
import { SimClient } from './network.js';
import { SimProcess } from './sim-process.js';
import { SimReplica, type FromSimReplica } from './sim-replica.js';
import type { Timer } from './timeline.js';

const HELLO_EVERY_MS = 500;
const HEARTBEAT_EVERY_MS = 500;
const LEAVE_WITHIN_MS = 8_000;
const ENGINE_FINGERPRINT = 'e'.repeat(64);

/** A state in the object store. */
export interface StoredState {
  readonly update: number;
  readonly bits: Bits;
}

/** A worker's process: its control thread (worker/agent.ts) and the replica's thread. */
export class SimWorker {
  readonly process: SimProcess;
  readonly thread: SimProcess;
  readonly client: SimClient;
  readonly replica: SimReplica;
  private readonly results: TaskResults;
  private runId: string | null = null;
  private isReady = false;
  private term = 0;
  private surveyed = false;
  private leaving: string | null = null;
  private failure: UpMessage<'failure'> | null = null;
  private readonly timers: Timer[] = [];

  constructor(
    private readonly cluster: Cluster,
    readonly id: string,
    /** The same when it is started again. */
    readonly name: string,
    readonly pid: number,
  ) {
    this.process = new SimProcess(cluster.timeline);
    this.thread = new SimProcess(cluster.timeline, this.process);
    this.client = new SimClient(this.process);
    this.replica = new SimReplica(cluster, id, this.thread, (message) =>
      this.process.do(() => this.fromReplica(message)),
    );
    const bus = {
      up: (topic: UpTopic, _: string, message: UpMessage<UpTopic>) =>
        cluster.toCoordinators(this.client, topic, message),
    };
    this.results = new TaskResults(bus as ConstructorParameters<typeof TaskResults>[0], id);
    this.client.onConnection = (up) => (this.replica.isOffline = !up);
    this.timers.push(
      this.process.every(HELLO_EVERY_MS, () => {
        if (this.runId === null) this.hello();
      }),
      this.process.every(HEARTBEAT_EVERY_MS, () => this.heartbeat()),
    );
    this.hello();
  }

  /** SIGTERM. */
  leave(reason: string): void {
    if (this.leaving !== null) return;
    if (!this.isReady) return this.go(reason);
    this.leaving = reason;
    this.tellLeaving();
    this.process.after(LEAVE_WITHIN_MS, () => this.go(reason));
  }

  onDown<T extends DownTopic>(topic: T, message: DownMessage<T>): void {
    if (!this.obeys(message.term)) return;
    this.follow({ topic, message } as Order);
  }

  private follow({ topic, message }: Order): void {
    switch (topic) {
      case 'welcome':
        if (this.runId !== null) return;
        this.runId = message.runId;
        return void this.thread.after(this.cluster.scenario.engineMs, () => this.prepared());
      case 'wait':
        return; // simulated engines need no card
      case 'refused':
        return this.end();
      case 'start':
        this.failure =
          this.failure !== null && this.failure.ringEpoch >= message.ringEpoch ? this.failure : null;
        return this.thread.do(() => this.replica.order(() => this.replica.begin(message)));
      case 'checkpoint':
      case 'export': {
        if (this.results.repeat(message.task)) return;
        const task = { kind: topic, ...message } as ReplicaTask;
        return this.thread.do(() => this.replica.addTask(task));
      }
      case 'settle':
        return this.thread.do(() => this.replica.addTask({ kind: 'settle', ...message }));
      case 'released':
        if (this.leaving !== null) this.go(this.leaving);
    }
  }

  onAssignment(assignment: Assignment): void {
    this.thread.do(() => this.replica.assign(assignment));
  }

  onAll<T extends AllTopic>(topic: T, message: AllMessage<T>): void {
    if (!this.obeys(message.term)) return;
    switch (topic) {
      case 'announce':
        this.surveyed = false;
        this.hello();
        return this.tellReady();
      case 'survey': {
        if (!this.isReady) return;
        const { term, survey, ringEpoch } = message as AllMessage<'survey'>;
        this.surveyed = true;
        this.failure = null;
        return this.thread.do(() => this.replica.order(() => this.replica.survey(term, survey, ringEpoch)));
      }
      case 'sampled':
        return; // simulated replicas draw nothing
      case 'stop':
        return this.end();
    }
  }

  /** Puts a state or a generator into the object store, for a task. */
  store(task: ReplicaTask & { readonly kind: 'checkpoint' | 'export' }, bits: Bits): void {
    const { cluster, results, client } = this;
    const name = task.kind === 'checkpoint' ? task.object : `${task.prefix}/generator`;
    const state: StoredState = { update: task.update, bits };
    cluster.store.putObject(client, name, state, (stored) => {
      if (stored instanceof Error) return results.failed(task.task, stored.message);
      const file = { name, bytes: 4, sha256: sha256Of(bits) };
      const result = { task: task.task, update: task.update };
      if (task.kind === 'export') results.exported({ ...result, stateSha256: file.sha256, files: [file] });
      else results.checkpointed({ ...result, file, stateFingerprint: fingerprintOf(bits) });
    });
  }

  private up<T extends UpTopic>(topic: T, message: UpMessage<T>): void {
    this.cluster.toCoordinators(this.client, topic, message);
  }

  private go(reason: string): void {
    if (this.process.isGone) return;
    this.up('goodbye', { workerId: this.id, reason });
    this.end();
  }

  private obeys(term: number): boolean {
    if (term < this.term) return false;
    this.term = term;
    return true;
  }

  private end(): void {
    for (const timer of this.timers) timer.cancel();
    this.cluster.onWorkerEnded(this);
  }

  private hello(): void {
    const { id: workerId, name, pid } = this;
    const ring = { host: 'host', port: 1, tls: false };
    const engines = [{ name: 'onnx-cpu', usable: true, reason: '', devices: [] }];
    const rest = { hostname: 'host', engine: 'onnx-cpu', device: null };
    this.up('hello', { protocol: PROTOCOL_VERSION, workerId, name, pid, ring, engines, ...rest });
  }

  private prepared(): void {
    this.process.do(() => {
      this.isReady = true;
      this.tellReady();
    });
  }

  private heartbeat(): void {
    const { ringEpoch, nextUpdate, phase } = this.replica;
    const progress = { ringEpoch, nextUpdate, phase, replicaSilentMs: Math.round(this.thread.silentMs) };
    this.up('heartbeat', { workerId: this.id, runId: this.runId, ...progress });
    if (!this.surveyed) this.tellReady();
    if (this.failure !== null) this.up('failure', this.failure);
    if (this.leaving !== null) this.tellLeaving();
  }

  private tellReady(): void {
    if (!this.isReady || this.runId === null) return;
    const engine = {
      engine: 'onnx-cpu',
      engineVersion: '1',
      engineFingerprint: ENGINE_FINGERPRINT,
      firstShardMs: 2 * this.cluster.scenario.computeMs,
      device: null,
    };
    const nextUpdate = this.replica.hasState ? this.replica.nextUpdate : null;
    this.up('ready', { workerId: this.id, runId: this.runId, ...engine, nextUpdate });
  }

  private tellLeaving(): void {
    this.up('leaving', { workerId: this.id, reason: this.leaving ?? '' });
  }

  private fromReplica(message: FromSimReplica): void {
    const workerId = this.id;
    switch (message.kind) {
      case 'standing': {
        const { kind, ...standing } = message;
        return this.up(kind, { workerId, ...standing });
      }
      case 'started': {
        const { ringEpoch, nextUpdate, stateFingerprint } = message;
        return this.up('started', { workerId, ringEpoch, nextUpdate, stateFingerprint });
      }
      case 'report': {
        const { rows, fingerprints, ...rest } = message.report;
        return this.up('report', { workerId, ...rest, rows: [...rows], fingerprints: [...fingerprints] });
      }
      case 'need': {
        const { ringEpoch, step, shards } = message;
        return this.up('need', { workerId, ringEpoch, step, shards: [...shards] });
      }
      case 'failure': {
        const { ringEpoch, code, neighbour } = message;
        this.failure = { workerId, ringEpoch, code, message: message.message, neighbour };
        return this.up('failure', this.failure);
      }
      case 'taskFailed':
        return this.results.failed(message.task, message.message);
    }
  }
}

/** A message of the coordinator, with its topic. */
type Order = { [T in DownTopic]: { readonly topic: T; readonly message: DownMessage<T> } }[DownTopic];
