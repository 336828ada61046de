import type { Cluster } from './cluster.js';
import type { SimClient } from './network.js';
import type { Fault, PlannedFault, Trigger } from './scenario.js';
import type { SimCoordinator } from './sim-coordinator.js';
import type { SimWorker } from './sim-worker.js';

/** A cluster that has lost its last worker gets another one within this long. */
const HELP_EVERY_MS = 1_000;

/** Carries out a scenario's faults, each once, when its time has come, and ends those that last. */
export class FaultInjector {
  /** Since when nothing has been done to the cluster; the end of the last fault. */
  quietSinceMs = 0;
  readonly fired = new Set<Fault['kind']>();
  /** A coordinator was cut off without a word. */
  wasDeafened = false;
  private readonly pending = new Set<PlannedFault>();
  private readonly sent = new Map<string, number>();
  private readonly disturbed = new Set<string>();
  private joined = 0;
  private lasting = 0;

  constructor(
    private readonly cluster: Cluster,
    planned: readonly PlannedFault[],
  ) {
    for (const fault of planned) this.pending.add(fault);
  }

  begin(): void {
    const { timeline, network } = this.cluster;
    for (const fault of this.pending)
      if (fault.when.at === 'ms') timeline.after(fault.when.ms, () => this.fire(fault));
    network.onSent = (topic) => {
      const count = (this.sent.get(topic) ?? 0) + 1;
      this.sent.set(topic, count);
      this.fireAll((when) => when.at === 'sent' && when.topic === topic && when.count === count);
    };
    this.helpLater();
  }

  onUpdate(update: number): void {
    this.fireAll((when) => when.at === 'update' && when.update <= update);
  }

  private fireAll(isDue: (when: Trigger) => boolean): void {
    for (const fault of [...this.pending])
      if (isDue(fault.when)) {
        this.pending.delete(fault);
        // Not in the middle of whatever is being done.
        this.cluster.timeline.after(this.cluster.random.between(0, 3), () => this.fire(fault));
      }
  }

  private fire(fault: PlannedFault): void {
    this.pending.delete(fault);
    this.fired.add(fault.what.kind);
    this.cluster.log(() => `FAULT ${JSON.stringify(fault.what)}`);
    this.carryOut(fault.what);
    this.quiet();
  }

  private quiet(): void {
    this.quietSinceMs = this.cluster.timeline.nowMs;
  }

  /** `end` undoes a fault after `ms`. */
  private lasts(ms: number, end: () => void): void {
    this.lasting += 1;
    this.cluster.timeline.after(ms, () => {
      end();
      this.lasting -= 1;
      this.cluster.log(() => 'a fault is over');
      this.quiet();
    });
  }

  /** Once the faults are over, somebody has to be there. */
  private helpLater(): void {
    const { cluster } = this;
    cluster.timeline.after(HELP_EVERY_MS, () => {
      this.helpLater();
      if (this.lasting > 0 || cluster.living.length > 0 || cluster.hasNoMoreWorkers) return;
      cluster.startWorker('helper');
      this.quiet();
    });
  }

  private worker(who: number): SimWorker | undefined {
    const { living } = this.cluster;
    return living[who % Math.max(1, living.length)];
  }

  /** The one that leads, if there is one. */
  private coordinator(): SimCoordinator | undefined {
    const { coordinators } = this.cluster;
    return (
      coordinators.find(({ lead, process }) => lead?.lead.valid === true && process.isRunning) ??
      coordinators[0]
    );
  }

  private carryOut(fault: Fault): void {
    const { cluster } = this;
    switch (fault.kind) {
      case 'join':
        return cluster.startWorker(`joiner-${++this.joined}`);
      case 'killCoordinator':
        return this.killCoordinator(this.coordinator(), fault.restartMs);
      case 'stopCoordinator': {
        const process = this.coordinator()?.process;
        process?.stop();
        return this.lasts(fault.forMs, () => process?.goOn());
      }
      case 'cutOffCoordinator':
        this.wasDeafened ||= fault.silently;
        return this.block(this.coordinator()?.client, fault.silently, fault.forMs);
      case 'natsAway':
        return this.outage(fault.forMs);
      case 'refuseWrites':
        cluster.store.refuses += 1;
        return this.lasts(fault.forMs, () => (cluster.store.refuses -= 1));
      case 'refuseObjects':
        cluster.store.refusesObjects += 1;
        return this.lasts(fault.forMs, () => (cluster.store.refusesObjects -= 1));
      case 'muteWrites':
        cluster.store.mute += 1;
        return this.lasts(fault.forMs, () => (cluster.store.mute -= 1));
      case 'goneForGood':
        return this.takeAway(fault.what);
      case 'powerCut':
        return this.powerCut(fault.forMs);
      case 'stopRun':
        for (const { lead } of cluster.coordinators) lead?.handle({ kind: 'stopRequested' });
        return;
      case 'cutLink': {
        const [a, b] = [this.worker(fault.who), this.worker(fault.other)];
        if (a === undefined || b === undefined || a === b) return;
        const cut = { a: a.id, b: b.id };
        this.disturbed.add([a.id, b.id].sort().join());
        cluster.cuts.push(cut);
        return this.lasts(fault.forMs, () => cluster.cuts.splice(cluster.cuts.indexOf(cut), 1));
      }
      default: {
        const worker = this.worker(fault.who);
        if (worker !== undefined) this.strike(worker, fault);
      }
    }
  }

  /** Whether something was done to the worker that others may take for its death. */
  wasDisturbed(workerId: string): boolean {
    return this.disturbed.has(workerId);
  }

  wasLinkCut(a: string, b: string): boolean {
    return this.disturbed.has([a, b].sort().join());
  }

  private strike(worker: SimWorker, fault: Fault): void {
    const { cluster } = this;
    const { name, process, thread, replica } = worker;
    if (fault.kind !== 'breakdown' && fault.kind !== 'flip') this.disturbed.add(worker.id);
    cluster.log(() => `      meant is ${worker.id}`);
    switch (fault.kind) {
      case 'kill':
        cluster.killWorker(worker, 'killed');
        return this.startLater(name, fault.restartMs);
      case 'leave':
        process.do(() => worker.leave('asked to stop'));
        return this.startLater(name, fault.replaceMs);
      case 'stop':
        process.stop();
        return this.lasts(fault.forMs, () => process.goOn());
      case 'hang':
        thread.stop();
        return this.lasts(fault.forMs, () => thread.goOn());
      case 'slow':
        replica.slowness = 20;
        return this.lasts(fault.forMs, () => (replica.slowness = 1));
      case 'cutOff':
        return this.block(worker.client, fault.silently, fault.forMs);
      case 'breakdown':
        replica.breakdown = true;
        return;
      case 'flip':
        replica.flip = true;
        return;
      default:
    }
  }

  private startLater(name: string, afterMs: number | null): void {
    if (afterMs !== null) this.lasts(afterMs, () => this.cluster.startWorker(name));
  }

  private killCoordinator(coordinator: SimCoordinator | undefined, restartMs: number): void {
    if (coordinator === undefined) return;
    this.cluster.killCoordinator(coordinator);
    this.lasts(restartMs, () => this.cluster.startCoordinator(coordinator.name));
  }

  private block(client: SimClient | undefined, silently: boolean, forMs: number): void {
    if (client === undefined) return;
    this.cluster.network.block(client, silently);
    this.lasts(forMs, () => this.cluster.network.unblock(client));
  }

  private outage(forMs: number): void {
    const { cluster } = this;
    const clients = cluster.allClients();
    cluster.outages += 1;
    for (const client of clients) cluster.network.block(client, false);
    this.lasts(forMs, () => {
      cluster.outages -= 1;
      for (const client of clients) cluster.network.unblock(client);
    });
  }

  private takeAway(what: 'workers' | 'nats' | 'stores' | 'objects'): void {
    const { cluster } = this;
    // Who has never led waits for as long as it takes.
    if (cluster.leads().length === 0 && what !== 'workers') return;
    switch (what) {
      case 'workers':
        cluster.hasNoMoreWorkers = true;
        for (const worker of cluster.living) cluster.killWorker(worker, 'gone for good');
        return;
      case 'nats':
        cluster.outages += 1;
        for (const client of cluster.allClients()) cluster.network.block(client, false);
        return;
      case 'stores':
        cluster.store.refuses += 1;
        return;
      case 'objects':
        cluster.store.refusesObjects += 1;
    }
  }

  private powerCut(forMs: number): void {
    const { cluster } = this;
    const workers = cluster.living;
    for (const worker of workers) {
      cluster.killWorker(worker, 'power cut');
      this.startLater(worker.name, forMs);
    }
    for (const coordinator of [...cluster.coordinators]) this.killCoordinator(coordinator, forMs);
    this.outage(Math.min(forMs, 500));
  }
}
