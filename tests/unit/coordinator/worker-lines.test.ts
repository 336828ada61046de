import { describe, expect, it } from 'vitest';
import { workerLines } from '../../../coordinator/result-folder.js';
import { NO_TOTALS, type WorkerTotals } from '../../../proto/index.js';

const totals = (shardsComputed: number, waitMs: number): WorkerTotals => ({
  ...NO_TOTALS,
  shardsComputed,
  waitMs,
});

describe("a result's lines of workers", () => {
  it('add up the processes of one worker, which was started again', () => {
    const lines = workerLines(
      new Map([
        ['p1', totals(10, 1.5)],
        ['p2', totals(1, 7)],
        ['p3', totals(5, 0.25)],
      ]),
      new Map([
        ['p1', 'worker-0'],
        ['p2', 'worker-1'],
        ['p3', 'worker-0'],
      ]),
    );
    expect(lines).toEqual([
      { workerId: 'worker-0', ...totals(15, 1.75) },
      { workerId: 'worker-1', ...totals(1, 7) },
    ]);
  });

  it('are in order of name, and a process without one has its own', () => {
    const all = new Map(['c', 'b', 'a'].map((id) => [id, NO_TOTALS] as const));
    expect(workerLines(all, new Map([['c', 'aa']])).map(({ workerId }) => workerId)).toEqual([
      'a',
      'aa',
      'b',
    ]);
  });

  it('leave what was counted as it is', () => {
    const first = totals(10, 1);
    const all = new Map([
      ['p1', first],
      ['p2', totals(5, 1)],
    ]);
    const names = new Map([
      ['p1', 'w'],
      ['p2', 'w'],
    ]);
    workerLines(all, names);
    expect(first.shardsComputed).toBe(10);
  });
});
