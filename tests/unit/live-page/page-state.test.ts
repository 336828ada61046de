import { describe, expect, it } from 'vitest';
import {
  apply,
  linkNews,
  linkWords,
  moveTo,
  NOTHING_KNOWN,
  pointsOf,
  retryDelayMs,
  shownStep,
  toggled,
  type PageState,
} from '../../../dashboards/live-page/state/index.js';
import type { LiveMessage } from '../../../proto/live.js';
import { curveOf, eventOf, nowOf, runOf } from './messages.js';

const after = (messages: LiveMessage[], from: PageState = NOTHING_KNOWN): PageState =>
  messages.reduce(apply, from);

const told: LiveMessage[] = [
  runOf(),
  curveOf(1, 0, [1, 2]),
  { kind: 'events', restart: true, events: [eventOf(0), eventOf(1)] },
  { kind: 'samples', steps: [1, 10, 20] },
  nowOf(),
];

describe('what the page knows', () => {
  it('is the same after all is told anew', () => {
    expect(after(told, after(told))).toEqual(after(told));
  });

  it('keeps where the user looks when a coordinator was started again', () => {
    const before = after(told);
    const looking = { ...before, samples: moveTo(before.samples, 0) };
    const again = after([runOf({ coordinator: 'c-2' }), ...told.slice(1)], looking);
    expect(shownStep(again.samples)).toBe(1);
    expect(again.run?.coordinator).toBe('c-2');
  });

  it('is forgotten for another run', () => {
    const other = after([runOf({ runId: 'run-2' })], after(told));
    expect(other).toEqual({ ...NOTHING_KNOWN, run: runOf({ runId: 'run-2' }) });
  });

  it('holds the end beside the last state', () => {
    const over = after([{ kind: 'ended', outcome: 'done', message: 'Done.' }], after(told));
    expect(over.ended?.outcome).toBe('done');
    expect(pointsOf(over.curve)).toBe(2);
  });

  it('is not changed by what the page does not know', () => {
    expect(() => apply(NOTHING_KNOWN, { kind: 'news' } as unknown as LiveMessage)).toThrow('"news"');
  });
});

describe('the way back to the coordinator', () => {
  it('waits 0.5 s, then longer, never more than 5 s', () => {
    expect([0, 1, 2, 3, 4, 100].map((attempt) => retryDelayMs(attempt, 0))).toEqual([
      500, 1_000, 2_000, 4_000, 5_000, 5_000,
    ]);
    expect(retryDelayMs(100, 1)).toBe(4_000);
    expect(retryDelayMs(0, 1)).toBe(500);
  });

  it('is told in words', () => {
    expect(linkWords({ kind: 'waiting', untilMs: 4_200 }, 2_000)).toBe('Reconnecting in 3 s');
    expect(linkWords({ kind: 'waiting', untilMs: 4_200 }, 9_000)).toBe('Reconnecting in 1 s');
    expect(linkWords({ kind: 'connecting', again: true }, 0)).toBe('Reconnecting');
    expect(linkNews({ kind: 'waiting', untilMs: 4_200 })).toBe('Reconnecting');
  });
});

describe('the theme', () => {
  it('is chosen against the system, and follows it again when chosen back', () => {
    expect(toggled(null, 'dark')).toBe('light');
    expect(toggled('light', 'dark')).toBeNull();
    expect(toggled(null, 'light')).toBe('dark');
  });
});
