import { limits, type Assignment } from '../../proto/index.js';

/** Assignments of newer ring epochs that are kept until the start that belongs to them comes. */
const MAX_EARLY = 256;
/** Steps beyond the one that is computed next. A coordinator that knows less or more of it is not that far off. */
const MAX_AHEAD = 2 * limits.maxPrefetch;

/** What an assignment of the run has to look like. */
export interface AssignmentShape {
  readonly shards: number;
  readonly shardBatch: number;
  readonly imageSize: number;
}

/** Why an assignment was not kept. */
export type AssignmentRefusal = 'schema' | 'stale';

/**
 * Shards that have come and are not computed yet. Assignments may come before the start of their ring epoch, twice,
 * late or not at all. What is kept is bounded, whatever comes.
 */
export class AssignmentInbox {
  private ringEpoch = 0;
  /** Steps below this one are computed. */
  private floor = 0;
  private readonly steps = new Map<number, Map<number, Uint8Array>>();
  private early: Assignment[] = [];
  /** Updates below this one are committed. */
  committed = 0;
  /** Updates below this one are in a checkpoint. */
  durable = 0;

  constructor(private readonly shape: AssignmentShape) {}

  /** Forgets what belongs to older ring epochs and takes up what came early for this one, which begins with `step`. */
  open(ringEpoch: number, step: number, committed: number): void {
    this.ringEpoch = ringEpoch;
    this.floor = step;
    this.steps.clear();
    this.committed = committed;
    const early = this.early;
    this.early = [];
    for (const assignment of early) this.put(assignment);
  }

  /** Returns why it is not kept; null when it is, or was computed already. */
  put(assignment: Assignment): AssignmentRefusal | null {
    const { ringEpoch, step, shard, rows, rowBytes } = assignment;
    const { shards, shardBatch, imageSize } = this.shape;
    if (shard >= shards || rows !== shardBatch || rowBytes !== imageSize) return 'schema';
    if (ringEpoch < this.ringEpoch) return 'stale';
    if (ringEpoch > this.ringEpoch) {
      if (this.early.length >= MAX_EARLY) return 'stale';
      this.early.push(assignment);
      return null;
    }
    if (step >= this.floor + MAX_AHEAD) return 'schema';
    this.committed = Math.max(this.committed, 2 * assignment.committedStep);
    this.durable = Math.max(this.durable, 2 * assignment.durableStep);
    if (step < this.floor) return null;
    let here = this.steps.get(step);
    if (here === undefined) this.steps.set(step, (here = new Map<number, Uint8Array>()));
    here.set(shard, assignment.pixels);
    return null;
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
    this.floor = Math.max(this.floor, step);
    for (const known of this.steps.keys()) if (known < step) this.steps.delete(known);
  }
}
