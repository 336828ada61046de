import { describe, expect, it } from 'vitest';
import type { UpdateRow } from '../../../proto/index.js';
import { Reporter } from '../../../worker/replica/reporter.js';

const row = (update: number): UpdateRow => ({
  update,
  scalars: [],
  skipped: false,
  skippedSteps: 0,
  redos: 0,
});

function apply(reporter: Reporter, update: number): void {
  reporter.rows.add(row(update));
  reporter.addUpdate();
}

/** A reporter at time 0, of a replica that has applied `updates` updates since its last report. */
function after(updates: number): Reporter {
  const reporter = new Reporter(0);
  reporter.take(1, 0, 0, 0);
  for (let update = 0; update < updates; update++) apply(reporter, update);
  return reporter;
}

describe('a report is due', () => {
  it('at rank 0 once as many steps were done as it is to report at once', () => {
    expect(after(4).isDue(0, 3, 0)).toBe(false);
    expect(after(6).isDue(0, 3, 0)).toBe(true);
  });

  it('at rank 0 with the first update of a ring epoch, which somebody waits for', () => {
    const reporter = after(1);
    expect(reporter.isDue(0, 3, 0)).toBe(false);
    reporter.open();
    expect(reporter.isDue(0, 3, 0)).toBe(true);
    expect(reporter.isDue(1, 3, 0)).toBe(false);
    reporter.take(2, 1, 0, 0);
    expect(reporter.isDue(0, 3, 0)).toBe(false);
  });

  it('at the others when there is a fingerprint to tell', () => {
    const reporter = after(6);
    expect(reporter.isDue(1, 3, 0)).toBe(false);
    reporter.addFingerprint(6, 'f');
    expect(reporter.isDue(1, 3, 0)).toBe(true);
  });

  it('everywhere after a quarter of a second without one, so that slow steps are told of as well', () => {
    for (const rank of [0, 1]) {
      const reporter = after(2);
      expect(reporter.isDue(rank, 3, 249)).toBe(false);
      expect(reporter.isDue(rank, 3, 250)).toBe(true);
      reporter.take(1, 2, 0, 250);
      expect(reporter.isDue(rank, 3, 499)).toBe(false);
      expect(reporter.isDue(rank, 3, 500)).toBe(true);
    }
  });
});

describe('reports', () => {
  it('repeat rows until they are committed, and fingerprints once', () => {
    const reporter = after(4);
    reporter.addFingerprint(4, 'f');
    expect(reporter.unreportedUpdates).toBe(4);
    const first = reporter.take(7, 4, 0, 0);
    expect(first).toMatchObject({
      ringEpoch: 7,
      nextUpdate: 4,
      fingerprints: [{ update: 4, fingerprint: 'f' }],
    });
    expect(first.rows.map(({ update }) => update)).toEqual([0, 1, 2, 3]);
    expect(reporter.unreportedUpdates).toBe(0);
    apply(reporter, 4);
    const second = reporter.take(7, 5, 2, 0);
    expect(second.rows.map(({ update }) => update)).toEqual([2, 3, 4]);
    expect(second.fingerprints).toEqual([]);
  });

  it('tell no fingerprint of the ring epoch before', () => {
    const reporter = after(4);
    reporter.addFingerprint(4, 'f');
    reporter.open();
    expect(reporter.take(8, 4, 0, 0).fingerprints).toEqual([]);
  });

  it('tell sums as of now, which go on growing', () => {
    const reporter = after(0);
    reporter.totals.redos = 1;
    const first = reporter.take(7, 0, 0, 0);
    reporter.totals.redos = 2;
    expect(first.totals.redos).toBe(1);
    expect(reporter.take(7, 0, 0, 0).totals.redos).toBe(2);
  });
});
