import { MAX_CURVE_POINTS, type LiveOf } from '../../proto/live.js';
import type { History, HistoryRow } from '../history.js';

/** Rows of one report share their time: a rate over fewer steps would be none. */
const RATE_STEPS = 32;

/** The smallest power of two with which a run of so many steps has no more points than a curve may have. */
export function stepsPerPoint(steps: number): number {
  let size = 1;
  while (Math.ceil(steps / size) > MAX_CURVE_POINTS) size *= 2;
  return size;
}

type Column = 'discriminatorLoss' | 'generatorLoss' | 'discriminatorReal' | 'discriminatorFake';

/** Null where no row has a value. */
function mean(rows: readonly HistoryRow[], column: Column): number | null {
  let sum = 0;
  let count = 0;
  for (const row of rows) {
    const value = row[column];
    if (value === null) continue;
    sum += value;
    count += 1;
  }
  return count === 0 ? null : sum / count;
}

/** Over the point's steps, and some before them where these are few. Null where the time is not known. */
function imagesPerSecond(history: History, end: number, size: number, batch: number): number | null {
  const window = history.slice(Math.max(0, end - 1 - Math.max(size, RATE_STEPS)), end);
  const [from] = window;
  const to = window.at(-1);
  if (from === undefined || to === undefined) return null;
  // Counted from the last of those that were told at the same time, also by the hundreds to a coordinator that came back.
  const first = window.findLastIndex(({ elapsedS }) => elapsedS === from.elapsedS);
  const seconds = to.elapsedS - from.elapsedS;
  return seconds > 0 ? ((window.length - 1 - first) * batch) / seconds : null;
}

/**
 * The points of the curve from number `from` on, each the mean over `size` steps; the last one of as many as there are.
 * @param batch images of one step
 */
export function curveFrom(history: History, from: number, size: number, batch: number): LiveOf<'curve'> {
  const points = Math.ceil(history.length / size);
  const curve = {
    discriminatorLoss: [] as (number | null)[],
    generatorLoss: [] as (number | null)[],
    discriminatorReal: [] as (number | null)[],
    discriminatorFake: [] as (number | null)[],
    imagesPerSecond: [] as (number | null)[],
  };
  for (let point = from; point < points; point++) {
    const end = Math.min(history.length, (point + 1) * size);
    const rows = history.slice(point * size, end);
    curve.discriminatorLoss.push(mean(rows, 'discriminatorLoss'));
    curve.generatorLoss.push(mean(rows, 'generatorLoss'));
    curve.discriminatorReal.push(mean(rows, 'discriminatorReal'));
    curve.discriminatorFake.push(mean(rows, 'discriminatorFake'));
    curve.imagesPerSecond.push(imagesPerSecond(history, end, size, batch));
  }
  return { kind: 'curve', stepsPerPoint: size, from, ...curve };
}

/** What watchers have been told of the curve, and what they have to be told next. */
export class CurveTeller {
  private size = 1;
  /** Complete points that were told; the one after them is told again. */
  private complete = 0;
  private steps = 0;
  private truncations = 0;

  constructor(
    private readonly history: History,
    private readonly batch: number,
  ) {}

  /** All of it, as watchers have been told. */
  whole(): LiveOf<'curve'> {
    return curveFrom(this.history, 0, this.size, this.batch);
  }

  /** What is new; null when nothing is. */
  next(): LiveOf<'curve'> | null {
    const { history } = this;
    const size = stepsPerPoint(history.length);
    const rewound = history.truncations !== this.truncations;
    if (!rewound && history.length === this.steps) return null;
    const from = rewound || size !== this.size ? 0 : this.complete;
    this.size = size;
    this.steps = history.length;
    this.truncations = history.truncations;
    this.complete = Math.floor(history.length / size);
    return curveFrom(history, from, size, this.batch);
  }
}
