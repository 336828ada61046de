import { History } from '../../../../coordinator/history.js';
import type { CheckpointRecord } from '../../../../coordinator/membership.js';
import { advance } from '../../../../coordinator/run-machine.js';
import {
  initialRunState,
  reportEverySteps,
  type RunCommand,
  type RunEvent,
  type RunState,
} from '../../../../coordinator/run-state.js';
import { stepOf, type AllTopic, type DownTopic, type FileRecord } from '../../../../proto/index.js';
import type { Cluster } from './cluster.js';
import { SimClient } from './network.js';
import { SimLeadership } from './sim-leadership.js';
import { SimProcess } from './sim-process.js';
import { OutdatedError, SimRunStore, stateObjectName } from './sim-run-store.js';
import type { Done } from './store.js';
import type { StoredState } from './sim-worker.js';
import type { Timer } from './timeline.js';

const TICK_MS = 100;
const MAX_TICKS_IN_DOUBT = 10;
const WRITE_FILES_MS = 20;
const PIXELS = new Uint8Array(1);

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
]);

/** A coordinator's process: stands by, leads, and stands by again when it was deposed (coordinator/main.ts). */
export class SimCoordinator {
  readonly process: SimProcess;
  /** Of the present attempt to lead: each has a connection and a name of its own. */
  client: SimClient;
  lead: RunningLead | null = null;

  constructor(
    private readonly cluster: Cluster,
    readonly name: string,
  ) {
    this.process = new SimProcess(cluster.timeline);
    this.client = this.standBy();
  }

  private standBy(): SimClient {
    const { cluster, process } = this;
    const { timeline } = cluster;
    const client = new SimClient(process);
    this.client = client;
    this.lead = null;
    cluster.onClient(client);
    const holder = `${this.name}-${cluster.unique()}`;
    const store = new SimRunStore(cluster.store, client, holder);
    SimLeadership.acquire({ timeline, process, store, holder }, (lead) => {
      if (!(lead instanceof SimLeadership)) return this.process.kill();
      this.open(store, lead);
    });
    return client;
  }

  /** Reads what there is to go on from; a failure ends the process, and whoever started it starts it again. */
  private open(store: SimRunStore, lead: SimLeadership): void {
    const { cluster, client } = this;
    const failed = (): void => {
      lead.release();
      cluster.onCoordinatorFailed(this);
    };
    store.refresh((refreshed) => {
      if (refreshed instanceof Error) return failed();
      const { checkpoint } = store.recorded;
      if (checkpoint?.historyObject == null) return this.take(store, lead, new History());
      cluster.store.getObject(client, checkpoint.historyObject, (bytes) => {
        // One that was stopped meanwhile may look for what another lead has dropped.
        if (bytes instanceof Error || (bytes === null && !lead.valid)) return failed();
        cluster.watcher.check(bytes !== null, `the history of ${checkpoint.object} is there`);
        this.take(store, lead, History.decode(bytes as Uint8Array));
      });
    });
  }

  private take(store: SimRunStore, lead: SimLeadership, history: History): void {
    this.lead = new RunningLead(this.cluster, this, store, lead, history);
  }

  /** Another leads. */
  depose(): void {
    this.cluster.offClient(this.client);
    this.standBy();
  }
}

/** The loop that carries out what the machine decides, while the lead holds (coordinator/coordinator.ts). */
export class RunningLead {
  state: RunState;
  over = false;
  private held: RunEvent[] = [];
  private ticksInDoubt = 0;
  private busUp = true;
  private readonly timer: Timer;
  private readonly client: SimClient;

  constructor(
    private readonly cluster: Cluster,
    private readonly owner: SimCoordinator,
    private readonly store: SimRunStore,
    readonly lead: SimLeadership,
    readonly history: History,
  ) {
    this.client = owner.client;
    const { timeline, spec } = cluster;
    this.state = initialRunState(cluster.plan, spec, store.recorded, lead.term, timeline.nowMs);
    cluster.log(() => `${owner.name} leads with term ${lead.term}`);
    cluster.watcher.onLead(this.state, history);
    this.client.onConnection = (up) => {
      this.busUp = up;
      if (up) lead.renew(() => undefined);
      else this.handle({ kind: 'connection', up });
    };
    lead.watch(
      () => this.depose(),
      () => this.onRenewed(),
    );
    this.carryOut({ kind: 'announce' });
    this.timer = owner.process.every(TICK_MS, () => this.tick());
  }

  /** Without a lease it is as without NATS: the run pauses, and not for ever. */
  private tick(): void {
    this.ticksInDoubt = this.lead.valid ? 0 : this.ticksInDoubt + 1;
    if (this.state.connected && this.ticksInDoubt > MAX_TICKS_IN_DOUBT)
      this.handle({ kind: 'connection', up: false });
    this.handle({ kind: 'tick' });
  }

  private onRenewed(): void {
    if (this.busUp && !this.state.connected) this.handle({ kind: 'connection', up: true });
    const { held } = this;
    this.held = [];
    for (const event of held) this.handle(event);
  }

  /** Takes in an event, if the lead is sure; events of effects are kept until it is. */
  handle(event: RunEvent): void {
    if (this.over) return;
    if (!this.mayHandle(event)) {
      if (EFFECT_EVENTS.has(event.kind)) this.held.push(event);
      return;
    }
    const { cluster } = this;
    const { state, commands } = advance(this.state, event, cluster.timeline.nowMs);
    cluster.watcher.onDecided(this.state, state, commands);
    this.state = state;
    for (const command of commands) this.carryOut(command);
  }

  private mayHandle(event: RunEvent): boolean {
    if (this.lead.valid) return true;
    const offline = event.kind === 'tick' && !this.state.connected;
    return offline || (event.kind === 'connection' && !event.up);
  }

  private depose(): void {
    if (this.over) return;
    this.cluster.log(() => `${this.owner.name} is deposed`);
    this.quit();
    this.owner.depose();
  }

  private quit(): void {
    this.over = true;
    this.timer.cancel();
  }

  private down(topic: DownTopic, workerId: string, message: object): void {
    this.cluster.toWorker(this.client, workerId, topic, { term: this.state.term, ...message });
  }

  private all(topic: AllTopic, message: object): void {
    this.cluster.toAllWorkers(this.client, topic, { term: this.state.term, ...message });
  }

  private carryOut(command: RunCommand): void {
    const { cluster, state } = this;
    const { runId } = state.plan;
    const ringEpoch = state.epoch?.ringEpoch ?? 0;
    switch (command.kind) {
      case 'announce':
        return this.all('announce', { runId });
      case 'welcome':
        return this.down('welcome', command.workerId, {
          ...{ runId, spec: command.spec, device: command.device },
        });
      case 'wait':
        return this.down('wait', command.workerId, { message: command.message });
      case 'refuse':
        return this.down('refused', command.workerId, { code: command.code, message: command.message });
      case 'release':
        return this.down('released', command.workerId, {});
      case 'survey':
        return this.all('survey', { survey: command.survey, ringEpoch: command.ringEpoch });
      case 'writeRing':
        return this.writeRing(command);
      case 'start':
        return this.sendStart(command.workerId);
      case 'assign':
        return this.assign(command.workerId, command.step, command.shard);
      case 'append':
        cluster.watcher.onAppend(this.state.term, command.rows);
        return this.history.append(command.rows, 0);
      case 'keepSample':
        return this.all('sampled', { step: command.step });
      case 'truncate':
        return this.history.truncate(stepOf(command.update));
      case 'settle':
        return this.down('settle', command.workerId, { ringEpoch, update: command.update });
      case 'takeCheckpoint': {
        const { task, update } = command;
        const object = stateObjectName(stepOf(update), state.term, task);
        return this.down('checkpoint', command.workerId, { ringEpoch, task, update, object });
      }
      case 'commitCheckpoint':
        return this.commitCheckpoint(command);
      case 'export':
        return this.down('export', command.workerId, {
          ...{ ringEpoch, task: command.task, update: 2 * state.goal },
          networks: state.plan.networks,
          prefix: `generator-${state.goal}`,
        });
      case 'exportNewest': {
        const { workerId, task, update, networks } = command;
        const prefix = `newest-${stepOf(update)}-${state.term}-${task}`;
        return this.down('export', workerId, { ringEpoch, task, update, networks, prefix });
      }
      case 'keepNewest':
        return this.keepNewest(command);
      case 'writeResult':
        return this.writeResult(command.files);
      case 'say':
        return cluster.log(() => `${this.owner.name} says: ${command.text}`);
      case 'end':
        return this.end(command);
    }
  }

  private writeRing(command: RunCommand & { kind: 'writeRing' }): void {
    const { world, spares, nextUpdate, stateFingerprint, source, cause, reason, trustedFrom } = command;
    const decision = { world, spares, nextUpdate, stateFingerprint, source, cause, reason };
    const notWritten = (error: Error): void => {
      const tell = (): void => this.handle({ kind: 'ringNotWritten', message: error.message });
      if (error instanceof OutdatedError) this.store.refresh(tell);
      else tell();
    };
    this.cluster.store.put(this.client, 'record', true, null, (recorded) => {
      if (recorded instanceof Error) return notWritten(recorded);
      this.store.writeRing({ world, trustedFrom }, (ringEpoch) => {
        if (ringEpoch instanceof Error) return notWritten(ringEpoch);
        this.cluster.watcher.onRingWritten(ringEpoch, this.state.term);
        this.handle({ kind: 'ringWritten', epoch: { ...decision, ringEpoch, secret: '' } });
      });
    });
  }

  private sendStart(workerId: string): void {
    const { epoch, workers, plan, committed, sampledSteps } = this.state;
    if (epoch === null) return;
    const { ringEpoch, nextUpdate, stateFingerprint, source } = epoch;
    const members = epoch.world.flatMap((id) => {
      const ring = workers.get(id)?.ring;
      return ring === undefined ? [] : [{ workerId: id, ...ring }];
    });
    if (members.length < epoch.world.length) return;
    const state = { nextUpdate, stateFingerprint, source, committed };
    const { sampleEverySteps } = plan;
    const rest = { secret: '', reportEverySteps: reportEverySteps(plan), sampleEverySteps, sampledSteps };
    this.down('start', workerId, { ringEpoch, members, ...state, ...rest });
  }

  private assign(workerId: string, step: number, shard: number): void {
    const { epoch, committed, checkpoint } = this.state;
    this.cluster.toWorkerAssignment(this.client, workerId, {
      ...{ ringEpoch: epoch?.ringEpoch ?? 0, step, shard, rows: 1, rowBytes: 1, pixels: PIXELS },
      committedStep: stepOf(committed),
      durableStep: stepOf(checkpoint?.update ?? 0),
    });
  }

  private commitCheckpoint({ message }: RunCommand & { kind: 'commitCheckpoint' }): void {
    const { workerId, task, update, file, stateFingerprint } = message;
    const rows = this.history.encode(stepOf(update));
    const done: Done<CheckpointRecord> = (record) => {
      if (!(record instanceof Error)) return this.handle({ kind: 'checkpointCommitted', record });
      const failed = (): void =>
        this.handle({ kind: 'taskFailed', message: { workerId, task, message: record.message } });
      if (record instanceof OutdatedError) this.store.refresh(failed);
      else failed();
    };
    const record = { update, object: file.name, sha256: file.sha256, stateFingerprint };
    this.store.commitCheckpoint(record, rows, done);
  }

  private keepNewest({ task, step, files }: RunCommand & { kind: 'keepNewest' }): void {
    const [file] = files;
    const { store, watcher } = this.cluster;
    store.getObject(this.client, file?.name ?? '', (found) => {
      if (found instanceof Error) {
        this.handle({ kind: 'newestFailed', task, message: found.message });
        return;
      }
      watcher.onNewestKept(step, found as StoredState | null);
      store.deleteObject(this.client, file?.name ?? '', () => undefined);
      this.owner.process.after(WRITE_FILES_MS, () => this.handle({ kind: 'newestKept', task }));
    });
  }

  private writeResult(files: readonly FileRecord[]): void {
    const [file] = files;
    const written = (): void => {
      this.owner.process.after(WRITE_FILES_MS, () => this.handle({ kind: 'resultWritten' }));
    };
    if (file === undefined) return written();
    this.cluster.store.getObject(this.client, file.name, (found) => {
      if (found instanceof Error) return this.handle({ kind: 'effectFailed', message: found.message });
      this.cluster.watcher.onExported(found as StoredState | null);
      written();
    });
  }

  private end({ outcome, message }: RunCommand & { kind: 'end' }): void {
    this.quit();
    this.cluster.log(() => `${this.owner.name} ends the run: ${outcome}, ${message}`);
    this.all('stop', { reason: message, failed: outcome === 'failed' });
    this.cluster.onEnded({ outcome, message, state: this.state, history: this.history });
    this.lead.end({ outcome, exitStatus: 0, message, steps: this.state.plan.steps }, () =>
      this.owner.process.kill(),
    );
  }
}
