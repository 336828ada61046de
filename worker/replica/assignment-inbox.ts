import type { Assignment } from '../../proto/index.js';

/** Assignments of newer ring epochs that are kept until the start that belongs to them comes. */
const MAX_EARLY = 256;

/**
 * Shards that have come and are not computed yet. Assignments may come before the start of their ring epoch, twice,
 * late or not at all; older ring epochs' are dropped and counted.
 */
export class AssignmentInbox {
  private ringEpoch = 0;
  private readonly steps = new Map<number, Map<number, Uint8Array>>();
  private early: Assignment[] = [];
  /** Updates below this one are committed. */
  committed = 0;
  /** Updates below this one are in a checkpoint. */
  durable = 0;
  stale = 0;

  /** Forgets what belongs to older ring epochs and takes up what came early for this one. */
  open(ringEpoch: number, committed: number): void {
    this.ringEpoch = ringEpoch;
    this.steps.clear();
    this.committed = committed;
    const early = this.early;
    this.early = [];
    for (const assignment of early) this.put(assignment);
  }

  put(assignment: Assignment): void {
    if (assignment.ringEpoch < this.ringEpoch) {
      this.stale += 1;
      return;
    }
    if (assignment.ringEpoch > this.ringEpoch) {
      if (this.early.length < MAX_EARLY) this.early.push(assignment);
      return;
    }
    this.committed = Math.max(this.committed, 2 * assignment.committedStep);
    this.durable = Math.max(this.durable, 2 * assignment.durableStep);
    let shards = this.steps.get(assignment.step);
    if (shards === undefined) this.steps.set(assignment.step, (shards = new Map<number, Uint8Array>()));
    shards.set(assignment.shard, assignment.pixels);
  }

  /** Which of `shards` have not come for `step`. */
  missing(step: number, shards: readonly number[]): number[] {
    const here = this.steps.get(step);
    return shards.filter((shard) => here?.has(shard) !== true);
  }

  pixels(step: number, shard: number): Uint8Array | undefined {
    return this.steps.get(step)?.get(shard);
  }

  /** The latest step of which something has come and is kept; -1 for none. */
  get newestStep(): number {
    return Math.max(-1, ...this.steps.keys());
  }

  /** Drops what lies before `step`: it is computed and applied. */
  dropBelow(step: number): void {
    for (const known of this.steps.keys()) if (known < step) this.steps.delete(known);
  }
}
