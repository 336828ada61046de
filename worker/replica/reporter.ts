import { NO_TOTALS, stepOf, type UpdateRow, type WorkerTotals } from '../../proto/index.js';
import type { ReplicaReport } from './port.js';

/** Nobody who computes is silent for longer. */
const MAX_SILENCE_MS = 250;
/** Rows kept for a coordinator that has not answered: far more than it keeps assigned ahead. */
const MAX_ROWS = 1_024;

/** Collects what a replica has to report, and repeats the rows until the coordinator has committed them. */
export class Reporter {
  private rows: UpdateRow[] = [];
  private fingerprints: { update: number; fingerprint: string }[] = [];
  private unreported = 0;
  readonly totals: { -readonly [name in keyof WorkerTotals]: number } = { ...NO_TOTALS };

  /** @param reportedMs when the time without a report begins */
  constructor(private reportedMs: number) {}

  addRow(row: UpdateRow): void {
    this.rows.push(row);
    if (this.rows.length > MAX_ROWS) this.rows.shift();
    this.unreported += 1;
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
    return rank === 0 ? this.unreported >= 2 * reportEverySteps : this.fingerprints.length > 0;
  }

  /** The report as of now; fingerprints and the count of updates start afresh. */
  take(ringEpoch: number, nextUpdate: number, committedStep: number, nowMs: number): ReplicaReport {
    this.rows = this.rows.filter((row) => stepOf(row.update) >= committedStep);
    const report: ReplicaReport = {
      ringEpoch,
      nextUpdate,
      rows: this.rows,
      fingerprints: this.fingerprints,
      totals: { ...this.totals },
    };
    this.fingerprints = [];
    this.unreported = 0;
    this.reportedMs = nowMs;
    return report;
  }
}
