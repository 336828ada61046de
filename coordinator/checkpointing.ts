import type { UpMessage } from '../proto/index.js';
import { nameOf } from './crew.js';
import { fail, keptWords, say, stalled, stay, andThen } from './decision.js';
import { tellsNoMore } from './replica-guard.js';
import type { CheckpointTask, Decision, RunCommand, RunState } from './run-state.js';
import { openSurvey } from './world-change.js';

/** A checkpoint that is not complete after this long has failed. */
const DEADLINE_MS = 60_000;
/** What was not heard of is sent again after this long: core NATS delivers at most once. */
const AGAIN_MS = 2_000;
/** After a failure: far sooner than the next one would be due. */
export const RETRY_MS = 5_000;
/** The last checkpoint of a run, and what follows on it, is tried this often: without it the run cannot end. */
export const MAX_LAST_ATTEMPTS = 12;

const ask = (state: RunState, { task, workerId, update }: CheckpointTask): RunCommand[] => [
  { kind: 'takeCheckpoint', workerId, task, update },
  ...(state.epoch?.world ?? []).map((id) => ({ kind: 'settle' as const, workerId: id, update })),
];

/**
 * Asks rank 0 for its state at the end of what is assigned, where nobody can have passed yet, and everybody for a
 * fingerprint of theirs there: a state that not all agree on is no checkpoint.
 */
export function takeCheckpoint(state: RunState, nowMs: number): Decision {
  const workerId = state.epoch?.world[0];
  if (workerId === undefined || state.checkpointTask !== null) return stay(state);
  const tasks = state.tasks + 1;
  const checkpointTask: CheckpointTask = {
    task: `checkpoint-${state.term}-${tasks}`,
    workerId,
    update: 2 * Math.min(state.assigned, state.goal),
    sinceMs: nowMs,
    sentAtMs: nowMs,
    agreed: false,
    stored: null,
    committing: false,
  };
  return stay({ ...state, tasks, checkpointTask }, ...ask(state, checkpointTask));
}

/** Moves the pointer once the state is stored, agreed on, and the rows before it are committed. */
export function tryCommit(state: RunState): Decision {
  const task = state.checkpointTask;
  if (task === null || task.stored === null || !task.agreed || task.committing) return stay(state);
  if (state.committed < task.update) return stay(state);
  return stay(
    { ...state, checkpointTask: { ...task, committing: true } },
    { kind: 'commitCheckpoint', message: task.stored },
  );
}

export function onCheckpointed(state: RunState, message: UpMessage<'checkpointed'>): Decision {
  const task = state.checkpointTask;
  if (message.task !== task?.task || task.stored !== null) return stay(state);
  return tryCommit({ ...state, checkpointTask: { ...task, stored: message } });
}

/** All replicas agree on the states before `updates`. */
export function onAgreed(state: RunState, updates: readonly number[]): Decision {
  const task = state.checkpointTask;
  if (task === null || !updates.includes(task.update)) return stay(state);
  return tryCommit({ ...state, checkpointTask: { ...task, agreed: true } });
}

/** A replica that has passed the checkpoint's update without telling of its state there will tell of it no more. */
export function onPassed(state: RunState, report: UpMessage<'report'>, nowMs: number): Decision {
  const task = state.checkpointTask;
  const { workerId } = report;
  if (task === null || task.agreed || state.epoch?.world.includes(workerId) !== true) return stay(state);
  if (!tellsNoMore(state.fingerprints, task.update, report)) return stay(state);
  const why = `what ${nameOf(state, workerId)} told of its state before update ${task.update} was lost`;
  return onCheckpointFailed(state, why, nowMs);
}

export function onCheckpointFailed(state: RunState, message: string, nowMs: number): Decision {
  const { plan, phase, failedCheckpoints } = state;
  const failures = failedCheckpoints + 1;
  const last = phase.kind === 'finishing';
  const waitMs = last ? RETRY_MS : Math.min(RETRY_MS, plan.checkpointEveryMs);
  const next = {
    ...state,
    checkpointTask: null,
    failedCheckpoints: failures,
    lastCheckpointMs: nowMs - plan.checkpointEveryMs + waitMs,
  };
  if (last && failures >= MAX_LAST_ATTEMPTS)
    return fail(next, `the last checkpoint failed ${failures} times: ${message}`);
  const text = `checkpoint failed, tried again in ${waitMs / 1000} s (${keptWords(state)}): ${message}`;
  return stay(next, say('warning', text));
}

/** Sends again what may have been lost, and gives up what takes too long. */
export function watchCheckpoint(state: RunState, nowMs: number): Decision {
  const task = state.checkpointTask;
  if (task === null || task.committing) return stay(state);
  if (nowMs - task.sinceMs > DEADLINE_MS) {
    const missing = task.stored === null ? `${nameOf(state, task.workerId)} stored none` : 'not all agreed';
    const why = `${missing} within ${DEADLINE_MS / 1000} s`;
    return andThen(onCheckpointFailed(state, why, nowMs), (next) =>
      // Nothing else tells in the end that somebody is not where it should be.
      next.phase.kind === 'finishing' ? openSurvey(next, stalled(why, nowMs), nowMs) : stay(next),
    );
  }
  if (nowMs - task.sentAtMs < AGAIN_MS) return stay(state);
  return stay({ ...state, checkpointTask: { ...task, sentAtMs: nowMs } }, ...ask(state, task));
}
