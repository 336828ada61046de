import { NO_TOTALS, stepOf, type UpdateRow, type WorkerTotals } from '../../proto/index.js';
import type { ReplicaReport } from './port.js';

/** Rank 0 reports each step, so that the run's progress is known at once; the others now and then. */
const OTHERS_EVERY_UPDATES = 16;
/** Rows kept for a coordinator that has not answered: far more than it keeps assigned ahead. */
const MAX_ROWS = 1_024;

/** Collects what a replica has to report, and repeats the rows until the coordinator has committed them. */
export class Reporter {
  private rows: UpdateRow[] = [];
  private fingerprints: { update: number; fingerprint: string }[] = [];
  private unreported = 0;
  readonly totals: { -readonly [name in keyof WorkerTotals]: number } = { ...NO_TOTALS };

  addRow(row: UpdateRow): void {
    this.rows.push(row);
    if (this.rows.length > MAX_ROWS) this.rows.shift();
    this.unreported += 1;
  }

  addFingerprint(update: number, fingerprint: string): void {
    this.fingerprints.push({ update, fingerprint });
  }

  /** Whether a report is due after an update. */
  isDue(rank: number, nextUpdate: number): boolean {
    return rank === 0 ? nextUpdate % 2 === 0 : this.unreported >= OTHERS_EVERY_UPDATES;
  }

  /** The report as of now; fingerprints and the count of updates start afresh. */
  take(ringEpoch: number, nextUpdate: number, committedStep: number): ReplicaReport {
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
    return report;
  }
}
