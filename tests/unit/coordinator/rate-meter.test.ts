import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../../coordinator/rate-meter.js';

describe('the rate', () => {
  it('is not known before two samples lie apart', () => {
    const rate = new RateMeter();
    expect(rate.stepsPerSecond()).toBeNull();
    rate.record(0, 0);
    rate.record(199, 10);
    expect(rate.stepsPerSecond()).toBeNull();
    rate.record(200, 10);
    expect(rate.stepsPerSecond()).toBe(50);
  });

  it('is that of the last five seconds', () => {
    const rate = new RateMeter();
    for (let s = 0; s <= 10; s++) rate.record(1_000 * s, 100 * s);
    for (let s = 11; s <= 16; s++) rate.record(1_000 * s, 1_000 + 10 * (s - 10));
    expect(rate.stepsPerSecond()).toBe(10);
  });

  it('begins anew: what was before a restart counts no more', () => {
    const rate = new RateMeter();
    rate.record(0, 1_000);
    rate.record(1_000, 2_000);
    rate.restart();
    expect(rate.stepsPerSecond()).toBeNull();
    rate.record(1_500, 10); // steps that are done once more
    expect(rate.stepsPerSecond()).toBeNull();
    rate.record(2_500, 20);
    expect(rate.stepsPerSecond()).toBe(10);
  });
});
