import { CURVE_COLUMNS, MAX_CURVE_POINTS, type CurveColumn, type LiveOf } from '../contract.js';

export type Column = readonly (number | null)[];

/** The history as it is drawn: a point is the mean over `stepsPerPoint` steps. */
export interface Curve {
  readonly stepsPerPoint: number;
  readonly columns: Readonly<Record<CurveColumn, Column>>;
}

const columnsBy = (make: (name: CurveColumn) => Column): Record<CurveColumn, Column> =>
  Object.fromEntries(CURVE_COLUMNS.map((name) => [name, make(name)])) as Record<CurveColumn, Column>;

export const NO_CURVE: Curve = { stepsPerPoint: 1, columns: columnsBy(() => []) };

/**
 * Points from `from` on replace those that were there. Points of another width cannot stand beside the new ones: then, and
 * where points are missing before `from`, there is a gap. Never longer than a curve may be.
 */
export function mergeCurve(curve: Curve, message: LiveOf<'curve'>): Curve {
  const { stepsPerPoint, from } = message;
  return {
    stepsPerPoint,
    columns: columnsBy((name) => {
      const kept = curve.stepsPerPoint === stepsPerPoint ? curve.columns[name].slice(0, from) : [];
      const start = Math.min(from, MAX_CURVE_POINTS);
      const gap = new Array<null>(Math.max(0, start - kept.length)).fill(null);
      return [...kept, ...gap, ...message[name]].slice(0, MAX_CURVE_POINTS);
    }),
  };
}

export const pointsOf = (curve: Curve): number => curve.columns.discriminatorLoss.length;

/** The step that each point stands for: the middle of its steps. The last point has those below `doneSteps` only. */
export function pointSteps(curve: Curve, doneSteps: number): number[] {
  const width = curve.stepsPerPoint;
  return Array.from({ length: pointsOf(curve) }, (_, i) => {
    const begin = i * width;
    const end = doneSteps > begin ? Math.min(begin + width, doneSteps) : begin + width;
    return (begin + end) / 2;
  });
}

/** The last value that is known. */
export function lastOf(column: Column): number | null {
  for (let i = column.length - 1; i >= 0; i--) {
    const value = column[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}
