import { MAX_LIVE_EVENTS, type LiveEvent, type LiveOf } from '../contract.js';

/** Oldest first, at most MAX_LIVE_EVENTS. */
export type EventLog = readonly LiveEvent[];

/** What was told before is not told twice; the oldest go when there are too many. */
export function mergeEvents(log: EventLog, message: LiveOf<'events'>): EventLog {
  if (message.restart) return message.events.slice(-MAX_LIVE_EVENTS);
  const last = log.at(-1)?.seq ?? Number.NEGATIVE_INFINITY;
  const fresh = message.events.filter(({ seq }) => seq > last);
  return fresh.length === 0 ? log : [...log, ...fresh].slice(-MAX_LIVE_EVENTS);
}

/** Steps at which something went wrong, each once, ascending. */
export function troubledSteps(log: EventLog): number[] {
  const steps = log.filter(({ level }) => level !== 'info').map(({ step }) => step);
  return [...new Set(steps)].sort((a, b) => a - b);
}
