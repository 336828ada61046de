import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { History } from '../../../coordinator/history.js';
import { CurveTeller, curveFrom, stepsPerPoint } from '../../../coordinator/live/curve.js';
import { CURVE_COLUMNS, MAX_CURVE_POINTS, type LiveOf } from '../../../proto/live.js';

/** Appends steps whose losses are their numbers; each takes `secondsPerStep`. */
function append(history: History, steps: number, secondsPerStep = 0.5): void {
  for (let i = 0; i < steps; i++) {
    const step = history.length;
    const row = { skipped: false, skippedSteps: 0, redos: 0 };
    const rows = [
      { update: 2 * step, scalars: [step, 0.75, 0.25], ...row },
      { update: 2 * step + 1, scalars: [2 * step], ...row },
    ];
    history.append(rows, (step + 1) * secondsPerStep);
  }
}

/** What a page does with what it is told. */
function merge(known: LiveOf<'curve'> | null, told: LiveOf<'curve'>): LiveOf<'curve'> {
  if (told.from === 0 || known === null) return told;
  const merged = { ...told, from: 0 };
  for (const column of CURVE_COLUMNS)
    merged[column] = [...known[column].slice(0, told.from), ...told[column]];
  return merged;
}

describe('a curve', () => {
  it('has a point a step as long as they fit, then the means of two, four, ...', () => {
    expect(stepsPerPoint(0)).toBe(1);
    expect(stepsPerPoint(MAX_CURVE_POINTS)).toBe(1);
    expect(stepsPerPoint(MAX_CURVE_POINTS + 1)).toBe(2);
    expect(stepsPerPoint(93_600)).toBe(128);
  });

  it('tells means; the last point of as many steps as there are', () => {
    const history = new History();
    append(history, 5);
    const { discriminatorLoss, generatorLoss, imagesPerSecond } = curveFrom(history, 0, 2, 100);
    expect(discriminatorLoss).toEqual([0.5, 2.5, 4]);
    expect(generatorLoss).toEqual([1, 5, 8]);
    expect(imagesPerSecond).toEqual([200, 200, 200]);
  });

  it('has a gap where an update was skipped, and none where only one of several was', () => {
    const history = new History();
    append(history, 1);
    const skipped = { scalars: [null], skipped: true, skippedSteps: 1, redos: 0 };
    history.append(
      [
        { update: 2, ...skipped },
        { update: 3, ...skipped },
      ],
      1,
    );
    expect(curveFrom(history, 0, 1, 1).discriminatorLoss).toEqual([0, null]);
    expect(curveFrom(history, 0, 2, 1).discriminatorLoss).toEqual([0]);
  });

  it('is the same for who was told of every change and for who comes late, whatever happens', () => {
    const act = fc.oneof(
      { weight: 4, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 900 }) }) },
      fc.record({ truncate: fc.double({ min: 0, max: 1, noNaN: true }) }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 12 }), (acts) => {
        const history = new History();
        const teller = new CurveTeller(history, 10);
        let page: LiveOf<'curve'> | null = null;
        for (const one of acts) {
          if ('append' in one) append(history, one.append);
          else history.truncate(Math.floor(one.truncate * history.length));
          const told = teller.next();
          if (told !== null) page = merge(page, told);
          if (page !== null) expect(page).toEqual(teller.whole());
        }
        expect(teller.next()).toBeNull();
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});
