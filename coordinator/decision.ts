import { stepOf } from '../proto/index.js';
import type { Cause, Decision, Outcome, RunCommand, RunState } from './run-state.js';

/** The state as it is now, and what is to be done. */
export const stay = (state: RunState, ...commands: RunCommand[]): Decision => ({ state, commands });

/** Appends the commands of a further decision to those of a first one; an ended run decides nothing more. */
export function andThen(first: Decision, next: (state: RunState) => Decision): Decision {
  if (first.state.phase.kind === 'ended') return first;
  const second = next(first.state);
  return { state: second.state, commands: [...first.commands, ...second.commands] };
}

export const say = (level: 'info' | 'warning' | 'error', text: string): RunCommand => ({
  kind: 'say',
  level,
  text,
});

/** Everybody seems well, and nothing comes of it. */
export const stalled = (text: string, atMs: number): Cause => ({
  kind: 'stall',
  text,
  atMs,
  fromAgreed: false,
});

export function end(state: RunState, outcome: Outcome, exitStatus: number, message: string): Decision {
  return stay(
    { ...state, phase: { kind: 'ended', outcome, message } },
    { kind: 'end', outcome, exitStatus, message },
  );
}

/** In words, what is left of a run that ends here. */
export function keptWords({ checkpoint }: RunState): string {
  return checkpoint === null
    ? 'no checkpoint was taken yet'
    : `the last good checkpoint is that of step ${stepOf(checkpoint.update)}: go on from it with --resume`;
}

export function fail(state: RunState, why: string): Decision {
  return end(state, 'failed', 1, `${why}; ${keptWords(state)}`);
}
