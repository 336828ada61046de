import { networkOf, stepOf, type UpdateRow } from '../proto/index.js';

/** One step as the record of the run tells it; null where an update was skipped. */
export interface HistoryRow {
  readonly step: number;
  readonly discriminatorLoss: number | null;
  readonly generatorLoss: number | null;
  readonly discriminatorReal: number | null;
  readonly discriminatorFake: number | null;
  readonly skippedUpdates: number;
  readonly redos: number;
  /** Seconds of training since the run began, pauses between resumed parts left out. */
  readonly elapsedS: number;
}

const COLUMNS = 7;
/** Timing comes last, so that what has to be equal between two runs is a prefix of each line. */
const CSV_HEADER =
  'step,epoch,discriminator_loss,generator_loss,discriminator_real,discriminator_fake,skipped_updates,redos,elapsed_s';

const orNaN = (value: number | null): number => value ?? Number.NaN;
const orNull = (value: number | undefined): number | null =>
  value === undefined || Number.isNaN(value) ? null : value;

/**
 * The run's history: a row a step, completed by the generator's update. Rows are numbers that follow from the reduced
 * integers, so the same run has the same rows whoever reported them.
 */
export class History {
  private rows: HistoryRow[] = [];
  private open: UpdateRow | null = null;
  private truncated = 0;

  /** Times that rows became void. */
  get truncations(): number {
    return this.truncated;
  }

  get length(): number {
    return this.rows.length;
  }

  get last(): HistoryRow | null {
    return this.rows.at(-1) ?? null;
  }

  /** Takes committed updates in order. */
  append(updates: readonly UpdateRow[], elapsedS: number): void {
    for (const update of updates) {
      if (networkOf(update.update) === 'discriminator') {
        this.open = update;
        continue;
      }
      const first = this.open;
      this.open = null;
      this.rows.push({
        step: stepOf(update.update),
        discriminatorLoss: first?.scalars[0] ?? null,
        discriminatorReal: first?.scalars[1] ?? null,
        discriminatorFake: first?.scalars[2] ?? null,
        generatorLoss: update.scalars[0] ?? null,
        skippedUpdates: Number(first?.skipped ?? false) + Number(update.skipped),
        redos: (first?.redos ?? 0) + update.redos,
        elapsedS,
      });
    }
  }

  /** Forgets the steps from `step` on: they are told again. */
  truncate(step: number): void {
    this.rows = this.rows.slice(0, step);
    this.open = null;
    this.truncated += 1;
  }

  /** The rows of the steps below `step`, packed as float64, for a checkpoint. */
  encode(step: number): Uint8Array {
    const packed = new Float64Array(step * COLUMNS);
    for (const [i, row] of this.rows.slice(0, step).entries()) {
      packed.set(
        [
          orNaN(row.discriminatorLoss),
          orNaN(row.generatorLoss),
          orNaN(row.discriminatorReal),
          orNaN(row.discriminatorFake),
          row.skippedUpdates,
          row.redos,
          row.elapsedS,
        ],
        i * COLUMNS,
      );
    }
    return new Uint8Array(packed.buffer);
  }

  static decode(bytes: Uint8Array): History {
    const packed = new Float64Array(new Uint8Array(bytes).buffer); // aligned, and of its own
    const history = new History();
    for (let i = 0; i < packed.length; i += COLUMNS) {
      history.rows.push({
        step: i / COLUMNS,
        discriminatorLoss: orNull(packed[i]),
        generatorLoss: orNull(packed[i + 1]),
        discriminatorReal: orNull(packed[i + 2]),
        discriminatorFake: orNull(packed[i + 3]),
        skippedUpdates: packed[i + 4] ?? 0,
        redos: packed[i + 5] ?? 0,
        elapsedS: packed[i + 6] ?? 0,
      });
    }
    return history;
  }

  /** The rows of the steps from `from` up to `to`, without that one. */
  slice(from: number, to: number): readonly HistoryRow[] {
    return this.rows.slice(from, to);
  }

  toCsv(stepsPerPass: number): string {
    const cell = (value: number | null): string => (value === null ? '' : String(value));
    const lines = this.rows.map((row) =>
      [
        row.step,
        Math.floor(row.step / stepsPerPass) + 1,
        cell(row.discriminatorLoss),
        cell(row.generatorLoss),
        cell(row.discriminatorReal),
        cell(row.discriminatorFake),
        row.skippedUpdates,
        row.redos,
        row.elapsedS.toFixed(3),
      ].join(','),
    );
    return `${[CSV_HEADER, ...lines].join('\n')}\n`;
  }
}
