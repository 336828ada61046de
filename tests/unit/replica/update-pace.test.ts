import { describe, expect, it } from 'vitest';
import { UpdatePace } from '../../../worker/replica/update-pace.js';

describe('how long a neighbour may be silent', () => {
  it('is 40 times an update, as it is expected at first', () => {
    expect(new UpdatePace(100).silenceMs()).toBe(4_000);
  });

  it('is at least 1.5 s and at most a minute', () => {
    expect(new UpdatePace(1).silenceMs()).toBe(1_500);
    expect(new UpdatePace(10_000).silenceMs()).toBe(60_000);
  });

  it('follows what is measured, a fifth at a time', () => {
    const pace = new UpdatePace(100);
    pace.measured(200);
    expect(pace.silenceMs()).toBeCloseTo(4_800);
    for (let i = 0; i < 100; i++) pace.measured(200);
    expect(pace.silenceMs()).toBeCloseTo(8_000, 0);
  });

  it('is not cut short by one fast update', () => {
    const pace = new UpdatePace(100);
    pace.measured(0);
    expect(pace.silenceMs()).toBeCloseTo(3_200);
  });
});
