import { NO_TOTALS, type WorkerTotals } from '../../proto/index.js';
import type { PhaseDurations, ReplicaReport } from './port.js';
import { RowLog } from './row-log.js';

/** Nobody who computes is silent for longer. */
const MAX_SILENCE_MS = 250;

/** Collects what a replica has to report, and repeats the rows until the coordinator has committed them. */
export class Reporter {
  readonly rows = new RowLog();
  private fingerprints: { update: number; fingerprint: string }[] = [];
  private unreported = 0;
  private durations: PhaseDurations[] = [];
  private told: WorkerTotals = NO_TOTALS;
  private first = true;
  readonly totals: { -readonly [name in keyof WorkerTotals]: number } = { ...NO_TOTALS };

  /** @param reportedMs when the time without a report begins */
  constructor(private reportedMs: number) {}

  /** A ring epoch begins: its first update is told at once, since somebody waits for it. */
  open(): void {
    this.first = true;
    this.fingerprints = [];
  }

  /** An update was applied, and its row is in the log. */
  addUpdate(): void {
    this.unreported += 1;
    const { told } = this;
    const now = (this.told = { ...this.totals });
    this.durations.push({
      wait: now.waitMs - told.waitMs,
      compute: now.computeMs - told.computeMs,
      reduce: now.reduceMs - told.reduceMs,
      update: now.updateMs - told.updateMs,
    });
  }

  addFingerprint(update: number, fingerprint: string): void {
    this.fingerprints.push({ update, fingerprint });
  }

  /** Updates that no report has told of. */
  get unreportedUpdates(): number {
    return this.unreported;
  }

  /**
   * Whether a report is due at a step boundary. Rank 0's are what the run goes on by; the others tell when they have a
   * fingerprint to tell. A report wakes the control thread, nats-server and the coordinator, all of which take a core
   * from somebody: with one a step on two cores, rank 0 began each step 1.3 ms late, and the ring waits for the slowest.
   */
  isDue(rank: number, reportEverySteps: number, nowMs: number): boolean {
    if (nowMs - this.reportedMs >= MAX_SILENCE_MS) return true;
    if (rank === 0) return this.first || this.unreported >= 2 * reportEverySteps;
    return this.fingerprints.length > 0;
  }

  /**
   * The report as of now; fingerprints and the count of updates start afresh.
   * @param committed rows below this update are committed
   */
  take(ringEpoch: number, nextUpdate: number, committed: number, nowMs: number): ReplicaReport {
    const report: ReplicaReport = {
      ringEpoch,
      nextUpdate,
      rows: this.rows.since(committed),
      fingerprints: this.fingerprints,
      totals: { ...this.totals },
      durations: this.durations,
    };
    this.durations = [];
    this.fingerprints = [];
    this.unreported = 0;
    this.first = false;
    this.reportedMs = nowMs;
    return report;
  }
}
