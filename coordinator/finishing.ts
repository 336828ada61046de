import { INTERRUPTED, type UpMessage } from '../proto/index.js';
import { MAX_LAST_ATTEMPTS, RETRY_MS, takeCheckpoint } from './checkpointing.js';
import { nameOf, reachable } from './crew.js';
import { end, fail, say, stalled, stay, andThen } from './decision.js';
import { leaveNewest } from './newest-export.js';
import { stallMs } from './pace.js';
import type { Decision, RunCommand, RunState } from './run-state.js';
import { openSurvey } from './world-change.js';

/** What was not answered is sent again after this long. */
const AGAIN_MS = 2_000;
/** For the generator to be stored. */
const EXPORT_DEADLINE_MS = 60_000;

/** Asks each member that has not done so for a report on the last update, with a fingerprint. */
export function askToSettle(state: RunState): RunCommand[] {
  const missing = state.epoch?.world.filter((id) => !state.settled.has(id)) ?? [];
  return missing.map((workerId) => ({ kind: 'settle', workerId, update: 2 * state.goal }));
}

/** Everything is committed: the way to the end begins. */
export function beginToFinish(state: RunState): Decision {
  const outcome = state.goal === state.plan.steps ? 'done' : 'interrupted';
  // Those that failed before were not the last one: that has all its attempts.
  const failedCheckpoints = 0;
  const finishing: RunState = {
    ...leaveNewest(state),
    failedCheckpoints,
    phase: { kind: 'finishing', outcome, stage: 'settling' },
  };
  return stay(finishing, ...askToSettle(finishing));
}

export function settle(state: RunState, report: UpMessage<'report'>, nowMs: number): Decision {
  const last = 2 * state.goal;
  const { phase, epoch } = state;
  if (phase.kind !== 'finishing' || phase.stage !== 'settling' || epoch === null) return stay(state);
  if (report.nextUpdate !== last || !report.fingerprints.some(({ update }) => update === last))
    return stay(state);
  const settled = new Set(state.settled).add(report.workerId);
  if (!epoch.world.every((id) => settled.has(id))) return stay({ ...state, settled });
  return goOnFinishing({ ...state, settled, phase: { ...phase, stage: 'checkpointing' } }, nowMs);
}

/** In the checkpointing stage: a checkpoint of the last update leads on, any other asks for one more. */
export function goOnFinishing(state: RunState, nowMs: number): Decision {
  const { phase, epoch } = state;
  if (phase.kind !== 'finishing' || phase.stage !== 'checkpointing') return stay(state);
  if (epoch === null || state.checkpointTask !== null) return stay(state);
  const dueMs = state.lastCheckpointMs + state.plan.checkpointEveryMs;
  // After a failure it is tried again by the clock.
  if (state.failedCheckpoints > 0 && nowMs < dueMs) return stay(state);
  if (state.checkpoint?.update !== 2 * state.goal) return takeCheckpoint(state, nowMs);
  if (phase.outcome === 'interrupted') return writeResult(state, []);
  const workerId = epoch.world[0];
  if (workerId === undefined) return stay(state);
  const tasks = state.tasks + 1;
  const exportTask = { task: `export-${state.term}-${tasks}`, workerId, sinceMs: nowMs, sentAtMs: nowMs };
  return stay(
    { ...state, tasks, exportTask, phase: { ...phase, stage: 'exporting' } },
    { kind: 'export', workerId, task: exportTask.task },
  );
}

function writeResult(state: RunState, files: UpMessage<'exported'>['files']): Decision {
  const { phase } = state;
  if (phase.kind !== 'finishing') return stay(state);
  const { outcome } = phase;
  return stay(
    { ...state, exportTask: null, phase: { ...phase, stage: 'writing' } },
    { kind: 'writeResult', outcome, files },
  );
}

export function onExported(state: RunState, message: UpMessage<'exported'>): Decision {
  return message.task === state.exportTask?.task ? writeResult(state, message.files) : stay(state);
}

/** The generator could not be stored, or the result not be written: it is tried again from the last checkpoint on. */
export function onEndFailed(state: RunState, why: string, nowMs: number): Decision {
  const { phase, plan, epoch } = state;
  if (phase.kind !== 'finishing') return stay(state);
  const failures = state.failedCheckpoints + 1;
  if (failures >= MAX_LAST_ATTEMPTS) return fail(state, `${why} (${failures} times)`);
  const next: RunState = {
    ...state,
    exportTask: null,
    failedCheckpoints: failures,
    lastCheckpointMs: nowMs - plan.checkpointEveryMs + RETRY_MS,
    phase: { ...phase, stage: 'checkpointing' },
  };
  const told = stay(next, say('warning', `${why}; tried again in ${RETRY_MS / 1000} s`));
  // While the result was written nobody was needed; now somebody may be missing.
  const reached = new Set(reachable(next).map(({ workerId }) => workerId));
  if (epoch?.world.every((id) => reached.has(id)) === true) return told;
  const cause = { kind: 'lost', text: 'a worker is gone', atMs: nowMs, fromAgreed: false } as const;
  return andThen(told, (now) => openSurvey(now, cause, nowMs));
}

export function onResultWritten(state: RunState): Decision {
  const { phase } = state;
  if (phase.kind !== 'finishing') return stay(state);
  const { goal, plan } = state;
  return phase.outcome === 'done'
    ? end(state, 'done', 0, `${goal} steps done`)
    : end(state, 'interrupted', INTERRUPTED, `stopped at step ${goal} of ${plan.steps}, with a checkpoint`);
}

/** Sends again what may have been lost. */
export function watchFinish(state: RunState, nowMs: number): Decision {
  const { phase, exportTask } = state;
  if (phase.kind !== 'finishing') return stay(state);
  if (phase.stage === 'settling') {
    const waitedMs = nowMs - state.pace.sinceMs;
    if (waitedMs <= stallMs(state.pace)) return stay(state, ...askToSettle(state));
    const text = `not all replicas told of the last state within ${(waitedMs / 1000).toFixed(0)} s`;
    return openSurvey(state, stalled(text, nowMs), nowMs);
  }
  if (phase.stage === 'checkpointing') return goOnFinishing(state, nowMs);
  if (exportTask === null || nowMs - exportTask.sentAtMs < AGAIN_MS) return stay(state);
  const { task, workerId, sinceMs } = exportTask;
  if (nowMs - sinceMs > EXPORT_DEADLINE_MS) {
    const text = `${nameOf(state, workerId)} stored no generator within ${EXPORT_DEADLINE_MS / 1000} s`;
    return openSurvey(state, stalled(text, nowMs), nowMs);
  }
  return stay(
    { ...state, exportTask: { ...exportTask, sentAtMs: nowMs } },
    { kind: 'export', workerId, task },
  );
}
