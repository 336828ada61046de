import { describe, expect, it } from 'vitest';
import { addStrike, keepOutMs, strikesOf, type Strikes } from '../../../coordinator/strikes.js';

/** Failures of `a` at these times. */
const failedAt = (...times: readonly number[]): Strikes =>
  times.reduce<Strikes>((strikes, atMs) => addStrike(strikes, 'a', atMs), new Map());

describe('a worker that failed', () => {
  it('is not kept out after the first time, then 1, 2, 4 ... 60 s', () => {
    const waits = Array.from({ length: 10 }, (_, i) =>
      keepOutMs(failedAt(...Array.from({ length: i }, (_, at) => at)), 'a'),
    );
    expect(waits).toEqual([0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('is forgiven each failure after ten minutes', () => {
    expect(strikesOf(failedAt(0, 599_999), 'a')).toBe(2);
    expect(strikesOf(failedAt(0, 600_000), 'a')).toBe(1);
    expect(strikesOf(failedAt(0, 1, 600_000), 'a')).toBe(2);
  });

  it('costs no other one', () => {
    const strikes = failedAt(0, 1, 2);
    expect(keepOutMs(strikes, 'b')).toBe(0);
    expect(strikesOf(addStrike(strikes, 'b', 3), 'a')).toBe(3);
  });
});
