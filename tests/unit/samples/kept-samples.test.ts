import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptSamples } from '../../../coordinator/samples/kept-samples.js';
import { isSampleStep } from '../../../proto/sample-schedule.js';

const passes = (count: number, stepsPerPass: number): number[] =>
  Array.from({ length: count }, (_, i) => (i + 1) * stepsPerPass);

/** Thinned whenever one comes. */
function oneByOne(steps: readonly number[], limit: number, stepsPerPass: number): readonly number[] {
  let kept: readonly number[] = [];
  for (const step of steps) kept = keptSamples([...kept, step], limit, stepsPerPass);
  return kept;
}

const anySteps = fc.uniqueArray(fc.integer({ min: 1, max: 5_000 }), { maxLength: 60, size: 'max' });
const anyShelf = fc.record({
  steps: anySteps.map((steps) => steps.sort((a, b) => a - b)),
  limit: fc.integer({ min: 2, max: 20 }),
  stepsPerPass: fc.integer({ min: 1, max: 50 }),
});

describe('which samples are kept', () => {
  it('thins as a ruler is', () => {
    const kept = (count: number): number[] =>
      keptSamples(passes(count, 100), 5, 100).map((step) => step / 100);
    expect([5, 6, 7, 8, 9].map(kept)).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 6],
      [1, 2, 4, 6, 7],
      [1, 2, 4, 6, 8],
      [1, 2, 4, 8, 9],
    ]);
  });

  it('keeps all while there is room, then as many as there is room for, with the first and the newest', () => {
    fc.assert(
      fc.property(anyShelf, ({ steps, limit, stepsPerPass }) => {
        const kept = keptSamples(steps, limit, stepsPerPass);
        expect(kept).toHaveLength(Math.min(steps.length, limit));
        expect(kept).toEqual(steps.filter((step) => kept.includes(step)));
        expect([kept[0], kept.at(-1)]).toEqual([steps[0], steps.at(-1)]);
      }),
    );
  });

  it('gives up no end of a pass for a step within one', () => {
    fc.assert(
      fc.property(anyShelf, ({ steps, limit, stepsPerPass }) => {
        const kept = keptSamples(steps, limit, stepsPerPass);
        const isEnd = (step: number): boolean => step % stepsPerPass === 0;
        const givenUp = steps.some((step) => isEnd(step) && !kept.includes(step));
        if (givenUp) expect(kept.slice(1, -1).every(isEnd)).toBe(true);
      }),
    );
  });

  it('does not depend on when it thins, nor on a run that goes back and draws them again', () => {
    fc.assert(
      fc.property(anyShelf, fc.nat(5_000), ({ steps, limit, stepsPerPass }, back) => {
        const atOnce = keptSamples(steps, limit, stepsPerPass);
        const before = oneByOne(steps, limit, stepsPerPass);
        expect(before).toEqual(atOnce);
        const again = [...before.filter((step) => step <= back), ...steps.filter((step) => step > back)];
        // What is still kept of the time before is a part of what would be kept; all later ones come again.
        const resumed = oneByOne(again, limit, stepsPerPass);
        expect(resumed.length).toBeLessThanOrEqual(limit);
        for (const step of atOnce) if (step > back) expect(resumed).toContain(step);
      }),
    );
  });

  it.each([201, 255, 256, 300, 399, 400, 401, 1_000, 5_000])('spaces %i passes evenly', (count) => {
    const kept = keptSamples(passes(count, 468), 200, 468);
    const gaps = kept.slice(2, -1).map((step, i) => step - (kept[i + 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * Math.min(...gaps));
  });

  it('spaces samples within passes evenly', () => {
    const steps = Array.from({ length: 20 * 468 + 1 }, (_, step) => step).filter((step) =>
      isSampleStep(step, 9),
    );
    const kept = keptSamples(steps, 200, 468);
    const gaps = kept.slice(2, -1).map((step, i) => step - (kept[i + 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * Math.min(...gaps));
  });
});
