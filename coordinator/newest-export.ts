import { stepOf, type NetworkName, type UpMessage } from '../proto/index.js';
import { allLeave, nameOf } from './crew.js';
import { say, stay } from './decision.js';
import { tellsNoMore } from './replica-guard.js';
import {
  isComplete,
  type Decision,
  type NewestExport,
  type NewestTask,
  type RunCommand,
  type RunState,
} from './run-state.js';

/** So long an export is fresh, and no other is made. */
const FRESH_MS = 10_000;
/** For those who ask again and again it grows to this: an export takes about as much as two checkpoints. */
const LONGEST_FRESH_MS = 60_000;
/** Unasked for so long, it is as at first. */
const CALM_MS = 120_000;
/** What was not heard of is sent again after this long: core NATS delivers at most once. */
const AGAIN_MS = 2_000;
/** Beside the time of the steps that are assigned. */
const DEADLINE_MS = 60_000;
const ATTEMPTS = 3;
const RETRY_MS = 1_000;
/** After the last attempt, those who ask are told that it failed, and why, for so long. */
const FAILED_MS = 10_000;

/** What one who asks for the newest generator is to be told. */
export type NewestAnswer =
  /** The one that is kept is fresh, or no newer one will be. */
  | { readonly kind: 'kept' }
  /** It is being made, or will be as soon as it can. */
  | { readonly kind: 'coming' }
  | { readonly kind: 'failed'; readonly text: string }
  | { readonly kind: 'none' };

export function newestAnswer(state: RunState, networks: readonly NetworkName[], nowMs: number): NewestAnswer {
  const { phase, newest, epoch, committed } = state;
  const { kept, failed, asked } = newest;
  const fits = kept !== null && covers(kept.networks, networks);
  if (phase.kind === 'ended') return { kind: fits ? 'kept' : 'none' };
  if (fits && nowMs - kept.atMs < kept.freshMs) return { kind: 'kept' };
  if (failed !== null && asked.length === 0 && nowMs < failed.againMs)
    return { kind: 'failed', text: failed.text };
  // Nothing was trained yet, and nobody trains.
  if (epoch === null && committed === 0) return { kind: 'none' };
  return { kind: 'coming' };
}

const covers = (has: readonly NetworkName[], wanted: readonly NetworkName[]): boolean =>
  wanted.every((name) => has.includes(name));

/** Somebody asks. */
export function onNewestAsked(state: RunState, networks: readonly NetworkName[], nowMs: number): Decision {
  if (newestAnswer(state, networks, nowMs).kind !== 'coming') return stay(state);
  const { newest } = state;
  const underWay = newest.task !== null && covers(newest.task.networks, networks);
  const asked = underWay ? newest.asked : [...new Set([...newest.asked, ...networks])];
  const failures = newest.asked.length === 0 ? 0 : newest.failures;
  return exportNewest({ ...state, newest: { ...newest, asked, failures } }, nowMs);
}

const orders = ({ task, workerId, update, networks }: NewestTask): RunCommand => ({
  kind: 'exportNewest',
  workerId,
  task,
  update,
  networks,
});

/** Asks the last of the ring for the files (the first one stores checkpoints), and all for a fingerprint of that state. */
function exportNewest(state: RunState, nowMs: number): Decision {
  const { newest, phase, epoch, connected } = state;
  const { asked, task, kept, failed } = newest;
  if (asked.length === 0 || task !== null || phase.kind !== 'training' || !connected) return stay(state);
  if (epoch === null || !isComplete(epoch) || allLeave(state)) return stay(state);
  const soon = (kept !== null && nowMs - kept.atMs < kept.freshMs) || nowMs < (failed?.againMs ?? 0);
  const workerId = epoch.world.at(-1);
  if (soon || workerId === undefined) return stay(state);
  const tasks = state.tasks + 1;
  const next: NewestTask = {
    task: `newest-${state.term}-${tasks}`,
    ...{ workerId, update: 2 * Math.min(state.assigned, state.goal), networks: asked },
    ...{ sinceMs: nowMs, sentAtMs: nowMs, agreed: false, stored: null, keeping: false },
  };
  return stay({ ...state, tasks, newest: { ...newest, task: next } }, orders(next), ...settles(state, next));
}

const settles = ({ epoch }: RunState, { update }: NewestTask): RunCommand[] =>
  (epoch?.world ?? []).map((workerId) => ({ kind: 'settle', workerId, update }));

const withTask = (state: RunState, task: NewestTask): RunState => ({
  ...state,
  newest: { ...state.newest, task },
});

/** Begins what is asked for, sends again what may have been lost, and gives up what takes too long. */
export function watchNewest(state: RunState, nowMs: number): Decision {
  const { task } = state.newest;
  if (task === null) return exportNewest(state, nowMs);
  if (task.keeping) return stay(state);
  const waitedMs = nowMs - task.sinceMs;
  if (waitedMs > DEADLINE_MS + state.plan.prefetch * (state.pace.stepMs ?? 0)) {
    const missing =
      task.stored === null ? `${nameOf(state, task.workerId)} stored none` : 'not all agreed on it';
    return onNewestFailed(state, task.task, `${missing} within ${(waitedMs / 1000).toFixed(0)} s`, nowMs);
  }
  if (nowMs - task.sentAtMs < AGAIN_MS) return stay(state);
  return stay(withTask(state, { ...task, sentAtMs: nowMs }), orders(task), ...settles(state, task));
}

/** Takes the files over once they are stored and all replicas agree on the state. */
function keep(state: RunState): Decision {
  const { task } = state.newest;
  if (task === null || task.stored === null || !task.agreed || task.keeping) return stay(state);
  const { update, stored } = task;
  return stay(withTask(state, { ...task, keeping: true }), {
    kind: 'keepNewest',
    ...{ task: task.task, step: stepOf(update), stateSha256: stored.stateSha256, files: stored.files },
  });
}

export function onNewestExported(state: RunState, message: UpMessage<'exported'>): Decision {
  const { task } = state.newest;
  if (message.task !== task?.task || task.stored !== null) return stay(state);
  return keep(withTask(state, { ...task, stored: message }));
}

/** All replicas agree on the states before `updates`. */
export function onNewestAgreed(state: RunState, updates: readonly number[]): Decision {
  const { task } = state.newest;
  return task !== null && updates.includes(task.update)
    ? keep(withTask(state, { ...task, agreed: true }))
    : stay(state);
}

export function onNewestPassed(state: RunState, report: UpMessage<'report'>, nowMs: number): Decision {
  const { task } = state.newest;
  const { workerId } = report;
  if (task === null || task.agreed || state.epoch?.world.includes(workerId) !== true) return stay(state);
  if (!tellsNoMore(state.fingerprints, task.update, report)) return stay(state);
  const why = `what ${nameOf(state, workerId)} told of its state before update ${task.update} was lost`;
  return onNewestFailed(state, task.task, why, nowMs);
}

/** The files are here. */
export function onNewestKept(state: RunState, taskId: string, nowMs: number): Decision {
  const { newest } = state;
  const { task, kept } = newest;
  if (task?.task !== taskId) return stay(state);
  const again = kept !== null && nowMs - kept.atMs < CALM_MS;
  const freshMs = again ? Math.min(2 * kept.freshMs, LONGEST_FRESH_MS) : FRESH_MS;
  const { networks } = task;
  const asked = covers(networks, newest.asked) ? [] : newest.asked;
  return stay({
    ...state,
    newest: {
      ...{ asked, task: null, failures: 0, failed: null },
      kept: { step: stepOf(task.update), networks, atMs: nowMs, freshMs },
    },
  });
}

/** Tried again, a few times: then those who wait are told. */
export function onNewestFailed(state: RunState, taskId: string, text: string, nowMs: number): Decision {
  const { newest } = state;
  if (newest.task?.task !== taskId) return stay(state);
  const failures = newest.failures + 1;
  const last = failures >= ATTEMPTS;
  const failed = { text, againMs: nowMs + (last ? FAILED_MS : RETRY_MS) };
  const next = { ...newest, task: null, failures, failed, asked: last ? [] : newest.asked };
  const told = say('warning', `the newest generator was asked for and could not be exported: ${text}`);
  return stay({ ...state, newest: next }, ...(last ? [told] : []));
}

/** The world changes, or the run comes to its end: what is under way will not come, and is asked for again. */
export function leaveNewest(state: RunState): RunState {
  const { newest } = state;
  return newest.task === null || newest.task.keeping
    ? state
    : { ...state, newest: { ...newest, task: null } };
}

/** Time in which nobody could be heard counts for no deadline. */
export function forgiveNewest(newest: NewestExport, nowMs: number): NewestExport {
  return newest.task === null ? newest : { ...newest, task: { ...newest.task, sinceMs: nowMs } };
}
