import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import type { HistoryRow } from '../../../coordinator/history.js';
import { curveOf } from '../../../coordinator/samples/curve-buckets.js';
import { lossesPng } from '../../../coordinator/samples/index.js';
import { PLOT_COLORS, PLOT_HEIGHT, PLOT_WIDTH, lossesSvg } from '../../../coordinator/samples/losses-svg.js';

const row = (step: number, values: Partial<HistoryRow> = {}): HistoryRow => ({
  step,
  discriminatorLoss: 1.3 + 0.2 * Math.sin(step / 7),
  generatorLoss: 0.8 + 0.3 * Math.cos(step / 11),
  discriminatorReal: 0.6 + 0.1 * Math.sin(step / 5),
  discriminatorFake: 0.4 + 0.1 * Math.sin(step / 3),
  skippedUpdates: 0,
  redos: 0,
  elapsedS: step,
  ...values,
});
const SKIPPED: Partial<HistoryRow> = {
  discriminatorLoss: null,
  generatorLoss: null,
  discriminatorReal: null,
  discriminatorFake: null,
  skippedUpdates: 2,
};
const rows = (count: number, values: Partial<HistoryRow> = {}): HistoryRow[] =>
  Array.from({ length: count }, (_, step) => row(step, values));

const COLORS = Object.values(PLOT_COLORS);

/** How many pixels have exactly each of the lines' colours, legend included. */
function inked(png: Uint8Array): number[] {
  const { width, height, data } = PNG.sync.read(Buffer.from(png));
  expect([width, height]).toEqual([PLOT_WIDTH, PLOT_HEIGHT]);
  const counts = new Map<number, number>();
  for (let i = 0; i < data.length; i += 4) {
    const color = data.readUIntBE(i, 3);
    counts.set(color, (counts.get(color) ?? 0) + 1);
  }
  expect(counts.get(0xffffff)).toBeGreaterThan((width * height) / 2);
  return COLORS.map((color) => counts.get(Number.parseInt(color.slice(1), 16)) ?? 0);
}

describe('the plot of the losses', () => {
  const empty = inked(lossesPng([], 468));

  it.each([
    ['in the first pass', rows(300)],
    ['over many passes', rows(5_000)],
    [
      'with some steps skipped',
      rows(900).map((each) => (each.step % 100 < 20 ? { ...each, ...SKIPPED } : each)),
    ],
  ])('has a line of each colour: %s', (_, history) => {
    const found = inked(lossesPng(history, 468));
    for (const [i, count] of found.entries()) expect(count).toBeGreaterThan((empty[i] ?? 0) + 300);
  });

  it('has a dot of each colour for a single step', () => {
    for (const [i, count] of inked(lossesPng(rows(1), 468)).entries())
      expect(count).toBeGreaterThan((empty[i] ?? 0) + 5);
  });

  it('is empty, and says why, without steps and without values', () => {
    expect(lossesSvg([], 468)).toContain('>no steps yet<');
    expect(lossesSvg(rows(50, SKIPPED), 468)).toContain('>every update was skipped<');
    expect(inked(lossesPng(rows(50, SKIPPED), 468))).toEqual(empty);
  });

  it('is the same bytes for the same rows', () => {
    expect(Buffer.compare(lossesPng(rows(2_000), 468), lossesPng(rows(2_000), 468))).toBe(0);
  });

  it('counts in steps within the first pass, then in passes', () => {
    expect(lossesSvg(rows(467), 468)).toContain('>steps<');
    expect(lossesSvg(rows(468), 468)).toContain('>passes over the training set<');
    expect(lossesSvg(rows(468), 468)).toContain('>1 pass, 468 steps, lines are means of 2 steps');
    expect(lossesSvg(rows(12_000), 468)).toContain('>25.6 passes, 12,000 steps, ');
  });

  it('says nothing that does not follow from the rows', () => {
    const later = rows(500).map((each) => ({ ...each, elapsedS: each.elapsedS * 2, redos: 3 }));
    expect(lossesSvg(later, 468)).toBe(lossesSvg(rows(500), 468));
  });

  it('has no coordinates that are not numbers', () => {
    const wild = [
      row(0, { generatorLoss: Number.NaN, discriminatorLoss: Infinity }),
      row(1, { generatorLoss: 1e9 }),
      row(7, SKIPPED),
      row(8, { discriminatorLoss: 0, generatorLoss: 0 }),
    ];
    for (const history of [[], rows(1), rows(3, { discriminatorLoss: 0, generatorLoss: 0 }), wild])
      expect(lossesSvg(history, 1)).not.toMatch(/NaN|Infinity|undefined|null/);
  });
});

describe('the points of a curve', () => {
  it('are the steps themselves while there is room', () => {
    expect(curveOf([row(0, { generatorLoss: 2 }), row(1, SKIPPED)], 'generatorLoss', 2)).toEqual({
      stepsPerBucket: 1,
      buckets: [
        { at: 0.5, values: { mean: 2, least: 2, greatest: 2 } },
        { at: 1.5, values: null },
      ],
    });
  });

  it('are means of as many steps each, the last of what is left, skipped ones left out', () => {
    const losses = [1, 2, null, 4, null, null, 7];
    const history = losses.map((generatorLoss, step) => row(step, { generatorLoss }));
    expect(curveOf(history, 'generatorLoss', 4)).toEqual({
      stepsPerBucket: 2,
      buckets: [
        { at: 1, values: { mean: 1.5, least: 1, greatest: 2 } },
        { at: 3, values: { mean: 4, least: 4, greatest: 4 } },
        { at: 5, values: null },
        { at: 6.5, values: { mean: 7, least: 7, greatest: 7 } },
      ],
    });
    expect(curveOf([], 'generatorLoss', 4)).toEqual({ stepsPerBucket: 1, buckets: [] });
  });

  it.each([1, 359, 360, 361, 100_000])('are at most as many as asked for: of %i steps', (count) => {
    const { buckets } = curveOf(rows(count), 'generatorLoss', 360);
    expect(buckets.length).toBeLessThanOrEqual(360);
    expect(buckets.length).toBeGreaterThan(Math.min(count, 180) - 1);
  });
});
