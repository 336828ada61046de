import { describe, expect, it } from 'vitest';
import {
  expectPace,
  measurePace,
  replicaSilenceMs,
  stallMs,
  suspectDeadlineMs,
  surveyDeadlineMs,
  type Pace,
} from '../../../coordinator/pace.js';

const unknown: Pace = { stepMs: null, sinceMs: 0 };
const of = (stepMs: number): Pace => ({ stepMs, sinceMs: 0 });

describe('the time of a step', () => {
  it('is estimated until it is measured', () => {
    expect(expectPace(unknown, 200).stepMs).toBe(200);
    expect(expectPace(of(100), 200).stepMs).toBe(100);
  });

  it('is that of two updates, taken over as it is the first time', () => {
    expect(measurePace({ stepMs: null, sinceMs: 1_000 }, 4, 1_200)).toEqual({ stepMs: 100, sinceMs: 1_200 });
  });

  it('is smoothed from then on', () => {
    expect(measurePace(of(100), 2, 200).stepMs).toBe(125);
  });
});

describe('deadlines', () => {
  it.each([
    ['a survey', surveyDeadlineMs, 8, 400, 5_000],
    ['one whose links were lost', suspectDeadlineMs, 3, 150, 2_000],
    ['a silent replica', replicaSilenceMs, 20, 2_500, 60_000],
    ['a standstill', stallMs, 80, 10_000, 120_000],
  ])('of %s follow the time of a step, within bounds', (_, deadline, steps, floorMs, ceilingMs) => {
    const between = (floorMs + ceilingMs) / 2;
    expect(deadline(of(between / steps))).toBeCloseTo(between);
    expect(deadline(of(0))).toBe(floorMs);
    expect(deadline(of(1e6))).toBe(ceilingMs);
    expect(deadline(unknown)).toBe(ceilingMs);
  });
});
