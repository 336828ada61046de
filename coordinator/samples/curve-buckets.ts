import type { HistoryRow } from '../history.js';

/** Some neighbouring steps of a curve as one point. */
export interface CurveBucket {
  /** Where the middle of the bucket is, in steps done. */
  readonly at: number;
  /** Of the steps that have a value; null where none has. */
  readonly values: { readonly mean: number; readonly least: number; readonly greatest: number } | null;
}

export interface Curve {
  readonly stepsPerBucket: number;
  readonly buckets: readonly CurveBucket[];
}

/** The columns of the history that are curves. */
export type CurveColumn = 'discriminatorLoss' | 'generatorLoss' | 'discriminatorReal' | 'discriminatorFake';

/**
 * Thins a column of the history to at most `maxBuckets` points, each for the same whole number of steps. Steps without a
 * value (skipped updates) do not count, and a bucket of nothing else is a gap.
 * @param rows ascending by step
 */
export function curveOf(rows: readonly HistoryRow[], column: CurveColumn, maxBuckets: number): Curve {
  const first = rows[0]?.step ?? 0;
  const steps = (rows.at(-1)?.step ?? first - 1) + 1 - first;
  const stepsPerBucket = Math.max(1, Math.ceil(steps / maxBuckets));
  const buckets: CurveBucket[] = [];
  let next = 0;
  for (let start = first; start < first + steps; start += stepsPerBucket) {
    const end = Math.min(start + stepsPerBucket, first + steps);
    let count = 0;
    let sum = 0;
    let least = Infinity;
    let greatest = -Infinity;
    for (let row = rows[next]; row !== undefined && row.step < end; row = rows[++next]) {
      const value = row[column];
      if (value === null || !Number.isFinite(value)) continue;
      count++;
      sum += value;
      least = Math.min(least, value);
      greatest = Math.max(greatest, value);
    }
    const values = count === 0 ? null : { mean: sum / count, least, greatest };
    buckets.push({ at: (start + end) / 2, values });
  }
  return { stepsPerBucket, buckets };
}
