import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits, type UpdateRow } from '../../../proto/index.js';
import { MAX_LOG_BYTES, RowLog } from '../../../worker/replica/row-log.js';

const row = (update: number): UpdateRow => ({
  update,
  scalars: [update / 2, null],
  skipped: false,
  skippedSteps: 0,
  redos: 0,
});

/** Rows of the updates from `from` up to `to`. */
function logOf(from: number, to: number): RowLog {
  const log = new RowLog();
  log.restart(from);
  for (let update = from; update < to; update++) log.add(row(update));
  return log;
}

const updatesOf = (log: RowLog, since: number): number[] => log.since(since).map(({ update }) => update);

/** A log's rows and the update of the first. */
const logs = fc
  .tuple(
    fc.nat(1_000_000),
    fc.array(
      fc.record({
        scalars: fc.array(fc.option(fc.double({ noNaN: true }), { nil: null }), { maxLength: 8 }),
        skipped: fc.boolean(),
        skippedSteps: fc.nat(100),
        redos: fc.nat(20),
      }),
      { maxLength: 30 },
    ),
  )
  .map(([first, rows]) => ({
    first,
    rows: rows.map((rest, i): UpdateRow => ({ update: first + i, ...rest })),
  }));

function filled(first: number, rows: readonly UpdateRow[]): RowLog {
  const log = new RowLog();
  log.restart(first);
  for (const each of rows) log.add(each);
  return log;
}

describe('the log of rows', () => {
  it('tells the rows from an update on, or all that it has', () => {
    const log = logOf(4, 8);
    expect(updatesOf(log, 6)).toEqual([6, 7]);
    expect(updatesOf(log, 0)).toEqual([4, 5, 6, 7]);
    expect(updatesOf(log, 9)).toEqual([]);
  });

  it('tells no more at once than a report may have', () => {
    const log = logOf(0, 3_000);
    expect(updatesOf(log, 10)).toHaveLength(limits.maxReportRows);
    expect(updatesOf(log, 10)[0]).toBe(10);
  });

  it('knows from where on it has rows', () => {
    const log = logOf(4, 8);
    expect(log.from).toBe(4);
    log.dropBelow(6);
    expect([log.from, ...updatesOf(log, 0)]).toEqual([6, 6, 7]);
    log.dropBelow(2);
    expect(log.from).toBe(6);
    log.dropBelow(100);
    expect([log.from, ...updatesOf(log, 0)]).toEqual([8]);
  });

  it('forgets all when the state is another one', () => {
    const log = logOf(4, 8);
    log.restart(2);
    expect([log.from, ...updatesOf(log, 0)]).toEqual([2]);
    log.add(row(2));
    expect([log.from, ...updatesOf(log, 0)]).toEqual([2, 2]);
  });

  it('stays bounded: the oldest rows are dropped', () => {
    const log = logOf(0, 65_536 + 10);
    expect(log.from).toBe(10);
    expect(log.encode().byteLength).toBeLessThanOrEqual(MAX_LOG_BYTES + 8);
    const other = new RowLog();
    other.replace(log.encode(), 65_546);
    expect(other.from).toBe(10);
  });
});

describe('a log that is taken over', () => {
  it('is the same, row for row', () => {
    fc.assert(
      fc.property(logs, ({ first, rows }) => {
        const log = logOf(0, 3);
        log.replace(filled(first, rows).encode(), first + rows.length);
        expect(log.from).toBe(first);
        expect(log.since(0)).toEqual(rows);
      }),
    );
  });

  it('goes on with the update that follows', () => {
    const log = new RowLog();
    log.replace(logOf(4, 8).encode(), 8);
    log.add(row(8));
    expect(updatesOf(log, 0)).toEqual([4, 5, 6, 7, 8]);
  });

  it('is refused when it ends elsewhere, and nothing is changed', () => {
    const log = logOf(0, 2);
    for (const nextUpdate of [7, 9]) {
      expect(() => log.replace(logOf(4, 8).encode(), nextUpdate)).toThrow(
        `rows up to update ${nextUpdate} were expected, found something else`,
      );
    }
    expect(updatesOf(log, 0)).toEqual([0, 1]);
  });

  it('is refused when it is cut off or too long', () => {
    const bytes = logOf(4, 8).encode();
    const log = new RowLog();
    for (const length of [0, 1, 7, 8, bytes.length - 8, bytes.length - 1])
      expect(() => log.replace(bytes.subarray(0, length), 8), `${length} bytes`).toThrow(/were expected/);
    expect(() => log.replace(new Uint8Array(MAX_LOG_BYTES + 16), 8)).toThrow(/were expected/);
  });

  it('is refused with another value in any place that says which row it is or how long', () => {
    const good = new Float64Array(logOf(4, 8).encode().buffer);
    const columns = (good.length - 1) / 4;
    for (const at of [0, 1, 3, 4, 5, 1 + columns]) {
      for (const value of [-1, 0.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY]) {
        const bad = good.slice();
        bad[at] = value;
        expect(() => new RowLog().replace(new Uint8Array(bad.buffer), 8), `${value} at ${at}`).toThrow(
          /were expected/,
        );
      }
    }
  });

  it('is refused when a row is out of its order, or has more scalars than fit', () => {
    for (const [at, value] of [
      [1, 5],
      [5, 9],
    ] as const) {
      const bad = new Float64Array(logOf(4, 8).encode().buffer);
      bad[at] = value;
      expect(() => new RowLog().replace(new Uint8Array(bad.buffer), 8)).toThrow(/were expected/);
    }
  });

  it('is refused or sound, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(10), (bytes, nextUpdate) => {
        const log = logOf(0, 2);
        try {
          log.replace(bytes, nextUpdate);
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol' });
          expect(updatesOf(log, 0)).toEqual([0, 1]);
          return;
        }
        expect(updatesOf(log, 0)).toHaveLength(nextUpdate - log.from);
      }),
    );
  });

  it('is refused or sound with any one value changed', () => {
    fc.assert(
      fc.property(logs, fc.nat(), fc.double(), ({ first, rows }, place, value) => {
        const packed = new Float64Array(filled(first, rows).encode().buffer);
        packed[place % packed.length] = value;
        const log = new RowLog();
        try {
          log.replace(new Uint8Array(packed.buffer), first + rows.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol' });
          return;
        }
        expect(updatesOf(log, 0)).toEqual(rows.map(({ update }) => update));
        for (const { scalars, redos, skippedSteps } of log.since(0)) {
          expect(scalars.length).toBeLessThanOrEqual(8);
          expect(Number.isSafeInteger(redos) && redos >= 0).toBe(true);
          expect(Number.isSafeInteger(skippedSteps) && skippedSteps >= 0).toBe(true);
        }
      }),
    );
  });
});
