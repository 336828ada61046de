import type { UpMessage } from '../proto/index.js';
import { say, stay } from './decision.js';
import type { Decision, RunCommand, RunState } from './run-state.js';

/** Says once that a worker has to wait; it asks again twice a second. */
export function keepWaiting(
  state: RunState,
  hello: UpMessage<'hello'>,
  message: string,
  nowMs: number,
): Decision {
  const { workerId, name } = hello;
  const next = { ...state, waiting: new Map(state.waiting).set(workerId, nowMs) };
  const wait: RunCommand = { kind: 'wait', workerId, message };
  return state.waiting.has(workerId)
    ? stay(next, wait)
    : stay(next, wait, say('warning', `${name} waits: ${message}`));
}

/** Forgets those who wait for a card no longer: they have got one, or are gone. */
export function forgetWaiting(state: RunState, silentMs: number, nowMs: number): RunState {
  if (state.waiting.size === 0) return state;
  const waiting = new Map([...state.waiting].filter(([, askedMs]) => nowMs - askedMs <= silentMs));
  return waiting.size === state.waiting.size ? state : { ...state, waiting };
}

/** A worker has got what it waited for. */
export function waitNoMore(state: RunState, workerId: string): RunState {
  if (!state.waiting.has(workerId)) return state;
  const waiting = new Map(state.waiting);
  waiting.delete(workerId);
  return { ...state, waiting };
}
