import type { Cluster } from './cluster.js';
import { FaultEffects } from './fault-effects.js';
import type { Fault, PlannedFault, Trigger } from './scenario.js';

/** A cluster that has lost its last worker gets another one within this long. */
const HELP_EVERY_MS = 1_000;

/** Carries out a scenario's faults, each once, when its time has come, and ends those that last. */
export class FaultInjector {
  /** Since when nothing has been done to the cluster: the last fault, or its end. */
  quietSinceMs = 0;
  readonly fired = new Set<Fault['kind']>();
  readonly effects: FaultEffects;
  private readonly pending: Set<PlannedFault>;
  private readonly counts = new Map<string, number>();
  private lasting = 0;

  constructor(
    private readonly cluster: Cluster,
    planned: readonly PlannedFault[],
  ) {
    this.pending = new Set(planned);
    this.effects = new FaultEffects(cluster, (ms, end) => this.lasts(ms, end));
  }

  begin(): void {
    const { timeline, network, store } = this.cluster;
    for (const fault of this.pending)
      if (fault.when.at === 'ms') timeline.after(fault.when.ms, () => this.fire(fault));
    network.onSent = (topic) => {
      const count = this.countUp(`sent ${topic}`);
      this.fireAll((when) => when.at === 'sent' && when.topic === topic && when.count === count);
    };
    store.onWritten = (key) => {
      const count = this.countUp(`written ${key}`);
      this.fireAll((when) => when.at === 'written' && when.key === key && when.count === count);
    };
    this.helpLater();
  }

  onUpdate(update: number): void {
    this.fireAll((when) => when.at === 'update' && when.update <= update);
  }

  private countUp(what: string): number {
    const count = (this.counts.get(what) ?? 0) + 1;
    this.counts.set(what, count);
    return count;
  }

  private fireAll(isDue: (when: Trigger) => boolean): void {
    const { timeline, random } = this.cluster;
    for (const fault of [...this.pending])
      if (isDue(fault.when)) {
        this.pending.delete(fault);
        // Not in the middle of whatever is being done.
        timeline.after(random.between(0, 3), () => this.fire(fault));
      }
  }

  private fire({ what }: PlannedFault): void {
    this.fired.add(what.kind);
    this.cluster.log(() => `FAULT ${JSON.stringify(what)}`);
    this.effects.carryOut(what);
    this.quiet();
  }

  private quiet(): void {
    this.quietSinceMs = this.cluster.timeline.nowMs;
  }

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
}
