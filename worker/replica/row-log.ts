import { OperationalError, limits, type UpdateRow } from '../../proto/index.js';

/** Rows kept when no checkpoint succeeds for long; older ones are dropped, and with them a way to go on. */
const MAX_ROWS = 65_536;
const MAX_SCALARS = 8;
/** update, skipped, skippedSteps, redos, number of scalars, scalars (NaN for none), all as float64 */
const COLUMNS = 5 + MAX_SCALARS;

/** Bytes of the largest log on its way to another worker. */
export const MAX_LOG_BYTES = MAX_ROWS * COLUMNS * 8;

/**
 * The rows of the updates that led from the last checkpoint to the replica's state. Kept until a checkpoint covers them:
 * whoever coordinates next may have to be told them again.
 */
export class RowLog {
  private rows: UpdateRow[] = [];
  private first = 0;

  /** The update of the oldest row that is kept; the next one's when there is none. */
  get from(): number {
    return this.first;
  }

  /** Forgets all: the state is that before `update`. */
  restart(update: number): void {
    this.rows = [];
    this.first = update;
  }

  /** The row of the update that follows on the newest. */
  add(row: UpdateRow): void {
    if (this.rows.length === 0) this.first = row.update;
    this.rows.push(row);
    if (this.rows.length > MAX_ROWS) this.dropBelow(this.first + 1);
  }

  dropBelow(update: number): void {
    const count = Math.min(this.rows.length, update - this.first);
    if (count <= 0) return;
    this.rows.splice(0, count);
    this.first += count;
  }

  /** Rows from `update` on, as many as a report may have. */
  since(update: number): readonly UpdateRow[] {
    const start = Math.max(0, update - this.first);
    return this.rows.slice(start, start + limits.maxReportRows);
  }

  /** For another worker: the first update, then the rows. */
  encode(): Uint8Array {
    const packed = new Float64Array(1 + this.rows.length * COLUMNS);
    packed[0] = this.first;
    for (const [i, row] of this.rows.entries()) {
      const scalars = row.scalars.map((value) => value ?? Number.NaN);
      packed.set(
        [row.update, Number(row.skipped), row.skippedSteps, row.redos, scalars.length, ...scalars],
        1 + i * COLUMNS,
      );
    }
    return new Uint8Array(packed.buffer);
  }

  /** Takes over what another worker has encoded. Throws OperationalError('protocol') when it is no log up to `nextUpdate`. */
  replace(bytes: Uint8Array, nextUpdate: number): void {
    const fail = (): never => {
      throw new OperationalError(
        'protocol',
        `rows up to update ${nextUpdate} were expected, found something else`,
      );
    };
    if (bytes.byteLength % 8 !== 0 || bytes.byteLength > MAX_LOG_BYTES + 8) fail();
    const packed = new Float64Array(new Uint8Array(bytes).buffer);
    const count = (packed.length - 1) / COLUMNS;
    const first = packed[0];
    if (first === undefined || !Number.isInteger(count) || first + count !== nextUpdate) return fail();
    const rows: UpdateRow[] = [];
    for (let i = 0; i < count; i++) {
      const [update = -1, skipped = 0, skippedSteps = -1, redos = -1, scalarCount = -1, ...scalars] =
        packed.subarray(1 + i * COLUMNS, 1 + (i + 1) * COLUMNS);
      const whole = [update, skippedSteps, redos, scalarCount].every(
        (value) => Number.isSafeInteger(value) && value >= 0,
      );
      if (!whole || update !== first + i || scalarCount > MAX_SCALARS) fail();
      rows.push({
        update,
        skipped: skipped === 1,
        skippedSteps,
        redos,
        scalars: scalars.slice(0, scalarCount).map((value) => (Number.isNaN(value) ? null : value)),
      });
    }
    this.rows = rows;
    this.first = first;
  }
}
