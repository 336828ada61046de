import { History } from '../../../../coordinator/history.js';
import type { Outcome, RunPlan, RunState } from '../../../../coordinator/run-state.js';
import {
  RECIPES,
  TUTORIAL_MODEL,
  type AllMessage,
  type AllTopic,
  type Assignment,
  type DownMessage,
  type DownTopic,
  type RunSpecDraft,
  type UpMessage,
  type UpTopic,
} from '../../../../proto/index.js';
import type { ReplicaTask } from '../../../../worker/replica/port.js';
import { undisturbed, type Bits } from './bits.js';
import { FaultInjector } from './fault-injector.js';
import { SimNetwork, type SimClient } from './network.js';
import { Random } from './random.js';
import type { Scenario } from './scenario.js';
import { SimCoordinator, type RunningLead } from './sim-coordinator.js';
import type { SimProcess } from './sim-process.js';
import type { SimReplica } from './sim-replica.js';
import { SimRing } from './sim-ring.js';
import { SimWorker, type StoredState } from './sim-worker.js';
import { SimStore } from './store.js';
import { Timeline } from './timeline.js';
import { Watcher } from './watcher.js';

/** A process that ended by itself is started again after this long. */
const RESTART_MS = 500;
/** Whoever started a worker notices its end within this long. */
const EXIT_TOLD_MS = 150;

export interface Ended {
  readonly outcome: Outcome;
  readonly message: string;
  readonly state: RunState;
  readonly history: History;
}

export interface Result extends Ended {
  readonly atMs: number;
  /** From the end of the last fault. */
  readonly afterFaultsMs: number;
  readonly watcher: Watcher;
  /** Faults that happened before the run ended. */
  readonly fired: ReadonlySet<string>;
}

/**
 * A cluster in virtual time: simulated workers, a ring, NATS and its stores around real decisions, one event after the other.
 * The same scenario is the same run, message for message.
 */
export class Cluster {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly network: SimNetwork;
  readonly store: SimStore;
  readonly watcher: Watcher;
  readonly plan: RunPlan;
  readonly spec: RunSpecDraft;
  readonly workers: SimWorker[] = [];
  readonly coordinators: SimCoordinator[] = [];
  readonly faults: FaultInjector;
  hasNoMoreWorkers = false;
  /** NATS is away: as many outages as overlap. */
  outages = 0;
  readonly cuts: { readonly a: string; readonly b: string }[] = [];
  private readonly rings = new Map<number, SimRing>();
  private readonly clients = new Set<SimClient>();
  private readonly right: History;
  private given = 0;
  private ended: Ended | null = null;

  constructor(
    readonly scenario: Scenario,
    private readonly trace: ((line: string) => void) | null = null,
  ) {
    const { shards, steps, prefetch, workers, waitWorkersMs, checkpointEveryMs } = scenario;
    this.random = new Random(scenario.seed);
    this.network = new SimNetwork(this.timeline, this.random, scenario.weather);
    this.store = new SimStore(this.network);
    const lineage = undisturbed(shards, steps);
    this.watcher = new Watcher(this, lineage);
    this.right = new History();
    this.right.append(lineage.rows, 0);
    this.plan = {
      ...{ runId: 'run', steps, prefetch, expectedWorkers: workers, waitWorkersMs, checkpointEveryMs },
      sampleEverySteps: 1_000,
      networks: ['generator'],
      refusalEndsRun: false,
    };
    this.spec = draftOf(shards);
    this.faults = new FaultInjector(this, scenario.faults);
  }

  /** Runs to the end. Throws when something does not hold, also that it ends. */
  run(): Result {
    const { scenario, timeline, faults, watcher } = this;
    for (let i = 0; i < scenario.coordinators; i++) this.startCoordinator(`coordinator-${i}`);
    for (let i = 0; i < scenario.workers; i++) this.startWorker(`worker-${i}`);
    faults.begin();
    while (this.ended === null) {
      timeline.step();
      const sinceMs = timeline.nowMs - faults.quietSinceMs;
      watcher.check(sinceMs < scenario.patienceMs, `the run ends: ${this.describe()}`);
    }
    const { ended } = this;
    if (ended.outcome === 'done') watcher.checkResult(ended.state, ended.history, this.right);
    const atMs = timeline.nowMs;
    const afterFaultsMs = Math.max(0, atMs - faults.quietSinceMs);
    return { ...ended, atMs, afterFaultsMs, watcher, fired: faults.fired };
  }

  /** Messages are lost or late by themselves, or the coordinator was cut off and could not know it at first. */
  get isRough(): boolean {
    const { lost, late } = this.scenario.weather;
    return lost > 0 || late > 0 || this.faults.effects.wasDeafened;
  }

  log(line: () => string): void {
    this.trace?.(`${this.timeline.nowMs.toFixed(1).padStart(9)} ${line()}`);
  }

  // --- processes

  startWorker(name: string): void {
    if (this.hasNoMoreWorkers) return;
    if (this.outages > 0) return void this.timeline.after(RESTART_MS, () => this.startWorker(name));
    const pid = this.unique();
    const worker = new SimWorker(this, `${name}-${pid}`, name, pid);
    this.workers.push(worker);
    this.onClient(worker.client);
    this.log(() => `${worker.id} starts`);
  }

  startCoordinator(name: string): void {
    if (this.outages > 0) return void this.timeline.after(RESTART_MS, () => this.startCoordinator(name));
    this.coordinators.push(new SimCoordinator(this, name));
    this.log(() => `${name} starts`);
  }

  /** A number that nobody has been given before. */
  unique(): number {
    return ++this.given;
  }

  killWorker(worker: SimWorker, reason: string): void {
    if (worker.process.isGone) return;
    this.log(() => `${worker.id} is gone: ${reason}`);
    worker.process.kill();
    this.offClient(worker.client);
    for (const ring of this.rings.values()) ring.leave(worker.id);
    if (!this.scenario.tellsExits) return;
    const { pid } = worker;
    this.timeline.after(this.random.between(5, EXIT_TOLD_MS), () => {
      for (const { lead, client } of this.leadCoordinators())
        if (client.link === 'up')
          client.process.do(() =>
            lead.handle({ kind: 'exited', message: { hostname: 'host', pid, reason } }),
          );
    });
  }

  onWorkerEnded(worker: SimWorker): void {
    this.killWorker(worker, 'exit');
  }

  killCoordinator(coordinator: SimCoordinator): void {
    coordinator.process.kill();
    this.offClient(coordinator.client);
    if (coordinator.lead !== null) coordinator.lead.over = true;
    this.coordinators.splice(this.coordinators.indexOf(coordinator), 1);
    this.log(() => `${coordinator.name} is gone`);
  }

  onCoordinatorFailed(coordinator: SimCoordinator): void {
    this.killCoordinator(coordinator);
    this.timeline.after(RESTART_MS, () => this.startCoordinator(coordinator.name));
  }

  get living(): SimWorker[] {
    return this.workers.filter(({ process }) => !process.isGone);
  }

  onClient(client: SimClient): void {
    this.clients.add(client);
  }

  offClient(client: SimClient): void {
    this.clients.delete(client);
  }

  allClients(): SimClient[] {
    return [...this.clients];
  }

  private leadCoordinators(): { readonly lead: RunningLead; readonly client: SimClient }[] {
    return this.coordinators.flatMap(({ lead, client }) => (lead === null ? [] : [{ lead, client }]));
  }

  leads(): { readonly lead: { readonly valid: boolean; readonly term: number } }[] {
    return this.leadCoordinators().map(({ lead }) => ({ lead: lead.lead }));
  }

  onEnded(ended: Ended): void {
    this.ended = ended;
  }

  onProgress(update: number): void {
    this.faults.onUpdate(update);
  }

  // --- control messages

  toCoordinators<T extends UpTopic>(from: SimClient, topic: T, message: UpMessage<T>): void {
    for (const { lead, client } of this.leadCoordinators())
      this.network.send(from, client, topic, () => {
        this.logMessage(topic, message);
        lead.handle({ kind: topic, message } as Parameters<RunningLead['handle']>[0]);
      });
  }

  toWorker(from: SimClient, workerId: string, topic: DownTopic, message: object): void {
    const worker = this.workers.find(({ id }) => id === workerId);
    if (worker === undefined) return;
    this.network.send(from, worker.client, topic, () => {
      this.logMessage(`${workerId} <- ${topic}`, message);
      worker.onDown(topic, message as DownMessage<DownTopic>);
    });
  }

  toAllWorkers(from: SimClient, topic: AllTopic, message: object): void {
    for (const worker of this.living)
      this.network.send(from, worker.client, topic, () => {
        this.logMessage(`${worker.id} <- ${topic}`, message);
        worker.onAll(topic, message as AllMessage<AllTopic>);
      });
  }

  toWorkerAssignment(from: SimClient, workerId: string, assignment: Assignment): void {
    const worker = this.workers.find(({ id }) => id === workerId);
    if (worker === undefined) return;
    this.network.send(from, worker.client, 'assignment', () => worker.onAssignment(assignment));
  }

  private logMessage(what: string, message: object): void {
    if (this.trace === null || what === 'heartbeat' || what === 'need') return;
    this.log(() => `  ${what} ${JSON.stringify(message).slice(0, 300)}`);
  }

  // --- between workers

  isCut(x: string, y: string): boolean {
    return this.cuts.some(({ a, b }) => (a === x && b === y) || (a === y && b === x));
  }

  replicaOf(workerId: string): SimReplica | undefined {
    return this.living.find(({ id }) => id === workerId)?.replica;
  }

  ringOf({ ringEpoch, members }: DownMessage<'start'>): SimRing {
    let ring = this.rings.get(ringEpoch);
    if (ring === undefined) {
      const place = {
        ...{ timeline: this.timeline, random: this.random, watcher: this.watcher },
        isCut: (a: string, b: string) => this.isCut(a, b),
        processOf: (id: string): SimProcess | undefined =>
          this.living.find((worker) => worker.id === id)?.thread,
      };
      ring = new SimRing(
        place,
        members.map(({ workerId }) => workerId),
      );
      this.rings.set(ringEpoch, ring);
    }
    return ring;
  }

  // --- the object store, for a replica

  fetchCheckpoint(workerId: string, object: string, done: (state: StoredState | null) => void): void {
    const worker = this.living.find(({ id }) => id === workerId);
    if (worker === undefined) return;
    this.store.getObject(worker.client, object, (found) => {
      if (!(found instanceof Error)) this.watcher.check(found !== null, `checkpoint ${object} is there`);
      worker.thread.do(() => done(found instanceof Error ? null : (found as StoredState | null)));
    });
  }

  storeFor(workerId: string, task: ReplicaTask & { kind: 'checkpoint' | 'export' }, bits: Bits): void {
    this.living.find(({ id }) => id === workerId)?.store(task, bits);
  }

  private describe(): string {
    const leads = this.leadCoordinators().map(({ lead: { state, lead } }) => {
      const { phase, committed, goal, workers } = state;
      const crew = [...workers.values()].map(
        ({ workerId, ready, excluded, leaving }) =>
          `${workerId}${ready ? '' : ' not ready'}${excluded === null ? '' : ' excluded'}${leaving === null ? '' : ' leaving'}`,
      );
      return `term ${lead.term} ${lead.valid ? '' : '(not valid) '}is ${JSON.stringify(phase).slice(0, 300)} at ${committed} of ${2 * goal} with ${crew.join(', ')}`;
    });
    const workers = this.living.map(
      ({ id, replica }) =>
        `${id} in ${replica.ringEpoch} at ${replica.hasState ? replica.nextUpdate : 'none'} ${replica.phase}`,
    );
    return [...leads, ...workers].join('; ');
  }
}

function draftOf(shards: number): RunSpecDraft {
  const recipe = RECIPES['tutorial']?.recipe;
  if (recipe === undefined) throw new Error('the tutorial is a recipe');
  const dataset = { name: 'MNIST', sha256: 'a'.repeat(64), images: 60_000 };
  return {
    ...{ version: 1, seed: 1, model: TUTORIAL_MODEL, recipe, dataset, shards, shardBatch: 2 },
    engine: 'auto',
  };
}

/** Lets a scenario run; told line by line when `trace` is given. */
export const simulate = (scenario: Scenario, trace: ((line: string) => void) | null = null): Result =>
  new Cluster(scenario, trace).run();
