import { NETWORK_NAMES } from '../../../../proto/index.js';
import type { Cluster } from './cluster.js';
import type { SimClient } from './network.js';
import type { Fault } from './scenario.js';
import type { SimCoordinator } from './sim-coordinator.js';
import type { SimProcess } from './sim-process.js';
import type { SimWorker } from './sim-worker.js';

const SLOWNESS = 20;
/** The server is back sooner than whatever was to be started again. */
const SERVER_BACK_MS = 500;

const linkKey = (a: string, b: string): string => [a, b].sort().join(' ');

/** What each fault does to the cluster, and how it ends. */
export class FaultEffects {
  /** A coordinator was cut off without a word. */
  wasDeafened = false;
  private readonly disturbed = new Set<string>();
  private joined = 0;

  /** @param lasts has the end of a fault come after so many milliseconds */
  constructor(
    private readonly cluster: Cluster,
    private readonly lasts: (ms: number, end: () => void) => void,
  ) {}

  /** Whether something was done to the worker that others may take for its death. */
  wasDisturbed(workerId: string): boolean {
    return this.disturbed.has(workerId) || this.cluster.replicaOf(workerId) === undefined;
  }

  wasLinkCut(a: string, b: string): boolean {
    return this.disturbed.has(linkKey(a, b));
  }

  carryOut(fault: Fault): void {
    const { cluster } = this;
    const { store } = cluster;
    switch (fault.kind) {
      case 'kill':
        return this.disturb(fault.who, (worker) => {
          cluster.killWorker(worker, 'killed');
          this.startLater(worker.name, fault.restartMs);
        });
      case 'leave':
        return this.disturb(fault.who, (worker) => {
          worker.process.do(() => worker.leave('asked to stop'));
          this.startLater(worker.name, fault.replaceMs);
        });
      case 'stop':
        return this.disturb(fault.who, ({ process }) => this.stop(process, fault.forMs));
      case 'hang':
        return this.disturb(fault.who, ({ thread }) => this.stop(thread, fault.forMs));
      case 'slow':
        return this.disturb(fault.who, ({ replica }) => {
          replica.slowness = SLOWNESS;
          this.lasts(fault.forMs, () => (replica.slowness = 1));
        });
      case 'cutOff':
        return this.disturb(fault.who, ({ client }) => this.block(client, fault.silently, fault.forMs));
      case 'breakdown':
        return this.withWorker(fault.who, ({ replica }) => (replica.breakdown = true));
      case 'flip':
        return this.withWorker(fault.who, ({ replica }) => (replica.flip = true));
      case 'join':
        return cluster.startWorker(`joiner-${++this.joined}`);
      case 'cutLink':
        return this.cutLink(fault.who, fault.other, fault.forMs);
      case 'killCoordinator':
        return this.killCoordinator(this.coordinator(), fault.restartMs);
      case 'stopCoordinator': {
        const coordinator = this.coordinator();
        if (coordinator !== undefined) this.stop(coordinator.process, fault.forMs);
        return;
      }
      case 'cutOffCoordinator': {
        const client = this.coordinator()?.client;
        this.wasDeafened ||= fault.silently;
        if (client !== undefined) this.block(client, fault.silently, fault.forMs);
        return;
      }
      case 'natsAway':
        return this.outage(fault.forMs);
      case 'refuseWrites':
        store.refuses += 1;
        return this.lasts(fault.forMs, () => (store.refuses -= 1));
      case 'refuseObjects':
        store.refusesObjects += 1;
        return this.lasts(fault.forMs, () => (store.refusesObjects -= 1));
      case 'muteWrites':
        store.mute += 1;
        return this.lasts(fault.forMs, () => (store.mute -= 1));
      case 'powerCut':
        return this.powerCut(fault.forMs);
      case 'askNewest': {
        const networks = fault.discriminator ? NETWORK_NAMES : (['generator'] as const);
        for (const { lead } of cluster.coordinators) lead?.handle({ kind: 'newestAsked', networks });
        return;
      }
      case 'stopRun':
        for (const { lead } of cluster.coordinators) lead?.handle({ kind: 'stopRequested' });
        return;
      case 'goneForGood':
        return this.takeAway(fault.what);
    }
  }

  private withWorker(who: number, act: (worker: SimWorker) => void): void {
    const { living } = this.cluster;
    const worker = living[who % Math.max(1, living.length)];
    if (worker === undefined) return;
    this.cluster.log(() => `      meant is ${worker.id}`);
    act(worker);
  }

  private disturb(who: number, act: (worker: SimWorker) => void): void {
    this.withWorker(who, (worker) => {
      this.disturbed.add(worker.id);
      act(worker);
    });
  }

  /** The one that leads, if there is one. */
  private coordinator(): SimCoordinator | undefined {
    const { coordinators } = this.cluster;
    const leading = coordinators.find(({ lead, process }) => lead?.lead.valid === true && process.isRunning);
    return leading ?? coordinators[0];
  }

  private stop(process: SimProcess, forMs: number): void {
    process.stop();
    this.lasts(forMs, () => process.goOn());
  }

  private startLater(name: string, afterMs: number | null): void {
    if (afterMs !== null) this.lasts(afterMs, () => this.cluster.startWorker(name));
  }

  private cutLink(who: number, other: number, forMs: number): void {
    const { cluster } = this;
    this.withWorker(who, (a) =>
      this.withWorker(other, (b) => {
        if (a === b) return;
        const cut = { a: a.id, b: b.id };
        this.disturbed.add(linkKey(a.id, b.id));
        cluster.cuts.push(cut);
        this.lasts(forMs, () => cluster.cuts.splice(cluster.cuts.indexOf(cut), 1));
      }),
    );
  }

  private killCoordinator(coordinator: SimCoordinator | undefined, restartMs: number): void {
    if (coordinator === undefined) return;
    this.cluster.killCoordinator(coordinator);
    this.lasts(restartMs, () => this.cluster.startCoordinator(coordinator.name));
  }

  private block(client: SimClient, silently: boolean, forMs: number): void {
    this.cluster.network.block(client, silently);
    this.lasts(forMs, () => this.cluster.network.unblock(client));
  }

  private outage(forMs: number): void {
    const { cluster } = this;
    const clients = this.loseServer();
    this.lasts(forMs, () => {
      cluster.outages -= 1;
      for (const client of clients) cluster.network.unblock(client);
    });
  }

  private loseServer(): readonly SimClient[] {
    const { cluster } = this;
    const clients = cluster.allClients();
    cluster.outages += 1;
    for (const client of clients) cluster.network.block(client, false);
    return clients;
  }

  private takeAway(what: 'workers' | 'nats' | 'stores' | 'objects'): void {
    const { cluster } = this;
    if (what === 'workers') {
      cluster.hasNoMoreWorkers = true;
      for (const worker of cluster.living) cluster.killWorker(worker, 'gone for good');
      return;
    }
    // Who has never led waits for as long as it takes.
    if (cluster.leads().length === 0) return;
    if (what === 'nats') this.loseServer();
    else if (what === 'stores') cluster.store.refuses += 1;
    else cluster.store.refusesObjects += 1;
  }

  private powerCut(forMs: number): void {
    const { cluster } = this;
    for (const worker of cluster.living) {
      cluster.killWorker(worker, 'power cut');
      this.startLater(worker.name, forMs);
    }
    for (const coordinator of [...cluster.coordinators]) this.killCoordinator(coordinator, forMs);
    this.outage(Math.min(forMs, SERVER_BACK_MS));
  }
}
