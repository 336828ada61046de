/** One life of a process, on any clock that only goes forward. */
export interface Life {
  readonly startedMs: number;
  readonly endedMs: number;
  /** Its exit status; null when it was killed, could not be started, or its status says nothing about itself. */
  readonly status: number | null;
}

/** When a process that has ended is started again. */
export interface RestartRules {
  /** Exit statuses after which another start would change nothing. */
  readonly final: readonly number[];
  /** So many ends in a row, each after less than `livedUnderMs`, and no more is tried; null tries for ever. */
  readonly giveUp: { readonly ends: number; readonly livedUnderMs: number } | null;
}

export type RestartDecision =
  | { readonly kind: 'restart'; readonly delayMs: number }
  | { readonly kind: 'final' }
  | { readonly kind: 'giveUp' };

const SECOND_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** A process that lived for so long was well: its end is counted as the first one. */
const AFRESH_AFTER_MS = 60_000;

/** Exit status 0 is a process that left in order, 2 one that was used wrongly or refused: it will not get better. */
export const WORKER_RULES: RestartRules = { final: [0, 2], giveUp: null };
/** Exit status 0 is no end for these: what ends a run is its last word. */
export const COORDINATOR_RULES: RestartRules = { final: [2], giveUp: { ends: 5, livedUnderMs: 10_000 } };
export const NATS_RULES: RestartRules = { final: [], giveUp: { ends: 5, livedUnderMs: 10_000 } };

/** Older lives than this many change no decision by the rules above: the delay has reached its limit by then. */
export const LIVES_THAT_COUNT = 16;

const livedMs = (life: Life): number => life.endedMs - life.startedMs;

/**
 * What to do about a process that has ended: at once the first time, then after 0.5, 1, 2 ... up to 30 s.
 * @param lives oldest first, without gaps; the last one is over
 * @param nowMs on the clock of the lives: time that has passed since the end is taken off the delay
 */
export function decideRestart(lives: readonly Life[], nowMs: number, rules: RestartRules): RestartDecision {
  const last = lives.at(-1);
  if (last === undefined) return { kind: 'restart', delayMs: 0 };
  if (last.status !== null && rules.final.includes(last.status)) return { kind: 'final' };
  if (rules.giveUp !== null) {
    const { ends, livedUnderMs } = rules.giveUp;
    const recent = lives.slice(-ends);
    if (recent.length === ends && recent.every((life) => livedMs(life) < livedUnderMs))
      return { kind: 'giveUp' };
  }
  const longLife = lives.findLastIndex((life) => livedMs(life) >= AFRESH_AFTER_MS);
  const endsInARow = lives.length - Math.max(0, longLife);
  const backOffMs = endsInARow === 1 ? 0 : Math.min(MAX_DELAY_MS, SECOND_DELAY_MS * 2 ** (endsInARow - 2));
  return { kind: 'restart', delayMs: Math.max(0, last.endedMs + backOffMs - nowMs) };
}

/** ", started again in 2 s": the end of a sentence that tells how a process ended. */
export function decisionWords(decision: RestartDecision): string {
  switch (decision.kind) {
    case 'restart': {
      const seconds = Math.round(decision.delayMs / 100) / 10;
      return seconds === 0 ? ', started again' : `, started again in ${seconds} s`;
    }
    case 'final':
      return '';
    case 'giveUp':
      return ', not started again: it ends at once each time';
  }
}
