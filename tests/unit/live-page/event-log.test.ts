import { describe, expect, it } from 'vitest';
import { mergeEvents, troubledSteps } from '../../../dashboards/live-page/state/index.js';
import { MAX_LIVE_EVENTS, type LiveEvent } from '../../../proto/live.js';
import { eventOf } from './messages.js';

const merge = (log: LiveEvent[], events: LiveEvent[], restart = false): readonly LiveEvent[] =>
  mergeEvents(log, { kind: 'events', restart, events });
const seqs = (log: readonly LiveEvent[]): number[] => log.map(({ seq }) => seq);

describe('the event list', () => {
  it('takes what is new, and nothing twice', () => {
    expect(seqs(merge([eventOf(1), eventOf(2)], [eventOf(2), eventOf(3)]))).toEqual([1, 2, 3]);
  });

  it('stays the same object when nothing is new', () => {
    const log = [eventOf(1)];
    expect(merge(log, [eventOf(0), eventOf(1)])).toBe(log);
  });

  it('is replaced by a restart, also where numbers begin anew', () => {
    expect(seqs(merge([eventOf(7), eventOf(8)], [eventOf(0)], true))).toEqual([0]);
  });

  it('keeps the newest', () => {
    const many = Array.from({ length: MAX_LIVE_EVENTS + 20 }, (_, i) => eventOf(i));
    expect(seqs(merge([], many, true))[0]).toBe(20);
    const more = merge(many.slice(0, MAX_LIVE_EVENTS), [eventOf(MAX_LIVE_EVENTS)]);
    expect([more.length, more[0]?.seq]).toEqual([MAX_LIVE_EVENTS, 1]);
  });

  it('knows the steps at which something went wrong', () => {
    const log = [
      eventOf(1),
      eventOf(2, { level: 'warning', step: 50 }),
      eventOf(3, { level: 'error', step: 20 }),
      eventOf(4, { level: 'warning', step: 50 }),
    ];
    expect(troubledSteps(log)).toEqual([20, 50]);
  });
});
