import { describe, expect, it } from 'vitest';
import {
  lastOf,
  mergeCurve,
  NO_CURVE,
  pointsOf,
  pointSteps,
} from '../../../dashboards/live-page/state/index.js';
import { MAX_CURVE_POINTS } from '../../../proto/live.js';
import { curveOf } from './messages.js';

describe('a curve', () => {
  const first = mergeCurve(NO_CURVE, curveOf(1, 0, [1, 2, 3]));

  it('has its points replaced from `from` on, in every column', () => {
    const next = mergeCurve(first, curveOf(1, 2, [7, 8]));
    expect(next.columns.discriminatorLoss).toEqual([1, 2, 7, 8]);
    expect(next.columns.imagesPerSecond).toEqual([5, 10, 35, 40]);
  });

  it('is replaced from point 0, also by a shorter one', () => {
    expect(mergeCurve(first, curveOf(2, 0, [9])).columns.generatorLoss).toEqual([18]);
    expect(pointsOf(mergeCurve(first, curveOf(1, 0, [])))).toBe(0);
  });

  it('has a gap where points are missing, or were of another width', () => {
    expect(mergeCurve(first, curveOf(1, 5, [6])).columns.discriminatorLoss).toEqual([1, 2, 3, null, null, 6]);
    expect(mergeCurve(first, curveOf(2, 2, [6])).columns.discriminatorLoss).toEqual([null, null, 6]);
  });

  it('never grows beyond its points, whatever is told', () => {
    const many = mergeCurve(first, curveOf(1, 2, new Array<number>(3 * MAX_CURVE_POINTS).fill(1)));
    expect(pointsOf(many)).toBe(MAX_CURVE_POINTS);
    expect(pointsOf(mergeCurve(first, curveOf(1, 1e9, [1])))).toBe(MAX_CURVE_POINTS);
  });

  it('has points in the middle of their steps, the last one of those that are done', () => {
    const curve = mergeCurve(NO_CURVE, curveOf(4, 0, [1, 1, 1]));
    expect(pointSteps(curve, 12)).toEqual([2, 6, 10]);
    expect(pointSteps(curve, 9)).toEqual([2, 6, 8.5]);
    // The status may be older than the curve.
    expect(pointSteps(curve, 8)).toEqual([2, 6, 10]);
  });

  it('tells the last value that is known', () => {
    expect(lastOf([1, 2, null])).toBe(2);
    expect(lastOf([null])).toBeNull();
    expect(lastOf([])).toBeNull();
  });
});
