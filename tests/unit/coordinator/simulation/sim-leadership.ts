import { judgeLead, type Watched } from '../../../../coordinator/leadership.js';
import type { Lead } from '../../../../coordinator/run-store.js';
import type { SimProcess } from './sim-process.js';
import { OutdatedError, type SimRunStore } from './sim-run-store.js';
import type { Timeline, Timer } from './timeline.js';

const LEASE_MS = 2_000;
const RENEW_EVERY_MS = 500;
const LOOK_EVERY_MS = 250;

export type LeadEnded = NonNullable<Lead['ended']>;

/** The lead as coordinator/leadership.ts holds it; who stands by decides by the real `judgeLead`. */
export class SimLeadership {
  private beat = 0;
  private lost = false;
  private readonly timer: Timer;
  /** Renewals wait for the one before. */
  private queue: (() => void)[] = [];
  private onLost: () => void = () => undefined;
  private onRenewed: () => void = () => undefined;

  private constructor(
    private readonly parts: LeadershipParts,
    private revision: number,
    private renewedMs: number,
    readonly term: number,
  ) {
    this.timer = parts.process.every(RENEW_EVERY_MS, () => this.renew(() => undefined));
  }

  /** Stands by until it leads, or until the run has ended under another's lead. */
  static acquire(parts: LeadershipParts, done: (lead: SimLeadership | LeadEnded) => void): void {
    const { timeline, process, store, holder } = parts;
    let watched: Watched | null = null;
    let waited = false;
    const look = (): void => {
      const again = (): void => void process.after(LOOK_EVERY_MS, look);
      store.readLead((found) => {
        if (found instanceof Error) {
          watched = null;
          return again();
        }
        const entry = found === null ? null : { revision: found.revision, lead: found.value as Lead };
        // By the clock after the answer: what it tells of may be newer than the question.
        const verdict = judgeLead(entry, watched, waited, timeline.nowMs);
        if (verdict.kind === 'ended') return done(verdict.ended);
        if (verdict.kind === 'wait') {
          watched = verdict.watched;
          waited = true;
          return again();
        }
        const sinceMs = timeline.nowMs;
        store.writeLead({ holder, beat: 0, ended: null }, verdict.revision, (revision) => {
          if (!(revision instanceof Error))
            return done(new SimLeadership(parts, revision, sinceMs, revision));
          watched = null;
          again();
        });
      });
    };
    look();
  }

  watch(onLost: () => void, onRenewed: () => void): void {
    this.onLost = onLost;
    this.onRenewed = onRenewed;
    if (this.lost) this.parts.process.after(0, onLost);
  }

  get valid(): boolean {
    return !this.lost && this.parts.timeline.nowMs - this.renewedMs < LEASE_MS;
  }

  /** @param done called in any case */
  renew(done: () => void): void {
    this.enqueue(null, done);
  }

  end(ended: LeadEnded, done: () => void): void {
    this.timer.cancel();
    this.enqueue(ended, done);
  }

  release(): void {
    this.timer.cancel();
  }

  private enqueue(ended: LeadEnded | null, done: () => void): void {
    this.queue.push(() =>
      this.tryRenew(ended, () => {
        this.queue.shift();
        done();
        this.queue[0]?.();
      }),
    );
    if (this.queue.length === 1) this.queue[0]?.();
  }

  private tryRenew(ended: LeadEnded | null, done: () => void): void {
    if (this.lost) return done();
    const { store, holder, timeline } = this.parts;
    const sinceMs = timeline.nowMs;
    this.beat += 1;
    store.writeLead({ holder, beat: this.beat, ended }, this.revision, (revision) => {
      if (revision instanceof OutdatedError) {
        this.lost = true;
        this.release();
        this.onLost();
      } else if (!(revision instanceof Error)) {
        this.revision = revision;
        this.renewedMs = sinceMs;
        this.onRenewed();
      }
      done();
    });
  }
}

export interface LeadershipParts {
  readonly timeline: Timeline;
  readonly process: SimProcess;
  readonly store: SimRunStore;
  readonly holder: string;
}
