import type { UpMessage } from '../proto/index.js';
import { takeCheckpoint } from './checkpointing.js';
import { end, fail, stay } from './decision.js';
import type { Decision, RunCommand, RunState } from './run-state.js';

/** What was not answered is sent again after this long. */
const AGAIN_MS = 2_000;

/** Asks each member that has not done so for a report on the last update, with a fingerprint. */
export function askToSettle(state: RunState): RunCommand[] {
  const missing = state.epoch?.world.filter((id) => !state.settled.has(id)) ?? [];
  return missing.map((workerId) => ({ kind: 'settle', workerId, update: 2 * state.goal }));
}

/** Everything is committed: the way to the end begins. */
export function beginToFinish(state: RunState): Decision {
  const outcome = state.goal === state.plan.steps ? 'done' : 'interrupted';
  const finishing: RunState = { ...state, phase: { kind: 'finishing', outcome, stage: 'settling' } };
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
  if (state.checkpoint?.update !== 2 * state.goal) {
    const dueMs = state.lastCheckpointMs + state.plan.checkpointEveryMs;
    // After a failure it is tried again by the clock.
    return state.failedCheckpoints > 0 && nowMs < dueMs ? stay(state) : takeCheckpoint(state, nowMs);
  }
  if (phase.outcome === 'interrupted') return writeResult(state, []);
  const workerId = epoch.world[0];
  if (workerId === undefined) return stay(state);
  const tasks = state.tasks + 1;
  const exportTask = { task: `export-${state.term}-${tasks}`, workerId, sentAtMs: nowMs };
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

export function onExportFailed(state: RunState, who: string, message: string): Decision {
  return fail(state, `${who} could not finish the run: ${message}`);
}

export function onResultWritten(state: RunState): Decision {
  const { phase } = state;
  if (phase.kind !== 'finishing') return stay(state);
  const { goal, plan } = state;
  return phase.outcome === 'done'
    ? end(state, 'done', 0, `${goal} steps done`)
    : end(state, 'interrupted', 130, `stopped at step ${goal} of ${plan.steps}, with a checkpoint`);
}

/** Sends again what may have been lost. */
export function watchFinish(state: RunState, nowMs: number): Decision {
  const { phase, exportTask } = state;
  if (phase.kind !== 'finishing') return stay(state);
  if (phase.stage === 'settling') return stay(state, ...askToSettle(state));
  if (phase.stage === 'checkpointing') return goOnFinishing(state, nowMs);
  if (exportTask === null || nowMs - exportTask.sentAtMs < AGAIN_MS) return stay(state);
  const { task, workerId } = exportTask;
  return stay(
    { ...state, exportTask: { ...exportTask, sentAtMs: nowMs } },
    { kind: 'export', workerId, task },
  );
}
