import {
  NO_TOTALS,
  PROTOCOL_VERSION,
  limits,
  rankOfShard,
  stepOf,
  type RunSpec,
  type UpMessage,
  type UpdateRow,
} from '../proto/index.js';
import { decideStart } from './membership.js';
import { compareFingerprints } from './replica-guard.js';
import type {
  Decision,
  Outcome,
  RingEpoch,
  RunCommand,
  RunEvent,
  RunState,
  WorkerRecord,
} from './run-state.js';

/** A start that was not acknowledged is sent again after this long. */
const START_AGAIN_MS = 500;
/** A ring member silent for this long is lost. Heartbeats come every second. */
const SILENT_MS = 10_000;
/** A checkpoint not in the store after this long has failed. */
const CHECKPOINT_DEADLINE_MS = 60_000;

const stay = (state: RunState, ...commands: RunCommand[]): Decision => ({ state, commands });

/** Appends the commands of a further decision to those of a first one. */
function then(first: Decision, next: (state: RunState) => Decision): Decision {
  const second = next(first.state);
  return { state: second.state, commands: [...first.commands, ...second.commands] };
}

const isFrozen = (spec: RunState['spec']): spec is RunSpec => 'engineFingerprint' in spec;

/**
 * The run as a pure function: what has happened and the time go in, the next state and what is to be done come out.
 * Nothing here sends, writes or reads a clock.
 */
export function advance(state: RunState, event: RunEvent, nowMs: number): Decision {
  if (state.phase.kind === 'ended') return stay(state);
  const heard =
    'message' in event && typeof event.message === 'object'
      ? hear(state, event.message.workerId, nowMs)
      : state;
  switch (event.kind) {
    case 'hello':
      return onHello(heard, event.message, nowMs);
    case 'ready':
      return onReady(heard, event.message, nowMs);
    case 'heartbeat':
      return stay(heard);
    case 'standing':
      return onStanding(heard, event.message);
    case 'ringWritten':
      return onRingWritten(heard, { ...event.epoch, started: new Set(), sentAtMs: nowMs });
    case 'started':
      return onStarted(heard, event.message);
    case 'report':
      return onReport(heard, event.message);
    case 'need':
      return onNeed(heard, event.message);
    case 'failure':
      return onFailure(heard, event.message);
    case 'goodbye':
      return onLost(heard, event.message.workerId, `said goodbye: ${event.message.reason}`);
    case 'checkpointed':
      if (event.message.task !== heard.checkpointTask?.task) return stay(heard);
      return stay(heard, { kind: 'commitCheckpoint', message: event.message });
    case 'checkpointCommitted':
      return onCheckpointCommitted({
        ...heard,
        checkpoint: event.record,
        checkpointTask: null,
        lastCheckpointMs: nowMs,
      });
    case 'exported':
      return onExported(heard, event.message);
    case 'taskFailed':
      return onTaskFailed(heard, event.message, nowMs);
    case 'resultWritten':
      return onResultWritten(heard);
    case 'effectFailed':
      return fail(heard, event.message);
    case 'stopRequested':
      return onStopRequested(heard);
    case 'tick':
      return onTick(heard, nowMs);
  }
}

function hear(state: RunState, workerId: string, nowMs: number): RunState {
  const worker = state.workers.get(workerId);
  return worker === undefined ? state : withWorker(state, { ...worker, lastSeenMs: nowMs });
}

function withWorker(state: RunState, worker: WorkerRecord): RunState {
  return { ...state, workers: new Map(state.workers).set(worker.workerId, worker) };
}

function end(state: RunState, outcome: Outcome, exitStatus: number, message: string): Decision {
  return stay(
    { ...state, phase: { kind: 'ended', outcome, message } },
    { kind: 'end', outcome, exitStatus, message },
  );
}

function fail(state: RunState, why: string): Decision {
  const { checkpoint } = state;
  const kept =
    checkpoint === null
      ? 'no checkpoint was taken yet'
      : `the last good checkpoint is that of step ${stepOf(checkpoint.update)}: go on from it with --resume`;
  return end(state, 'failed', 1, `${why}; ${kept}`);
}

function refuse(
  state: RunState,
  workerId: string,
  code: 'usage' | 'fingerprint-mismatch' | 'protocol',
  message: string,
): Decision {
  const refused = stay(
    state,
    { kind: 'refuse', workerId, code, message },
    { kind: 'say', level: 'warning', text: `${workerId} was refused: ${message}` },
  );
  return state.plan.refusalEndsRun && state.epoch === null
    ? then(refused, (next) => end(next, 'failed', 2, message))
    : refused;
}

function onHello(state: RunState, hello: UpMessage<'hello'>, nowMs: number): Decision {
  const { workerId } = hello;
  if (hello.protocol !== PROTOCOL_VERSION) {
    const message = `protocol ${PROTOCOL_VERSION} was expected, the worker speaks ${hello.protocol}: run the same version everywhere`;
    return refuse(state, workerId, 'protocol', message);
  }
  const name = state.spec.engine === 'auto' ? hello.engine : state.spec.engine;
  const probe = hello.engines.find((engine) => engine.name === name);
  if (probe?.usable !== true) {
    const why = probe === undefined ? 'the worker does not know it' : probe.reason;
    return refuse(
      state,
      workerId,
      'usage',
      `the run's engine ${name} was expected on ${hello.hostname}: ${why}`,
    );
  }
  const known = state.workers.get(workerId);
  const spec = { ...state.spec, engine: name };
  const next = withWorker(
    { ...state, spec },
    {
      workerId,
      ring: hello.ring,
      ready: known?.ready ?? false,
      lastSeenMs: nowMs,
      totals: known?.totals ?? NO_TOTALS,
    },
  );
  return stay(next, { kind: 'welcome', workerId, spec });
}

function onReady(state: RunState, ready: UpMessage<'ready'>, nowMs: number): Decision {
  const worker = state.workers.get(ready.workerId);
  if (worker === undefined || worker.ready || ready.runId !== state.plan.runId) return stay(state);
  if (isFrozen(state.spec) && state.spec.engineFingerprint !== ready.engineFingerprint) {
    const message =
      `engine fingerprint ${state.spec.engineFingerprint.slice(0, 12)} was expected, ${ready.workerId} has ` +
      `${ready.engineFingerprint.slice(0, 12)} (${ready.engine} ${ready.engineVersion}): another processor or version ` +
      'computes other bits, so it cannot take part in this run';
    return refuse(state, ready.workerId, 'fingerprint-mismatch', message);
  }
  const spec: RunSpec = { ...state.spec, engineFingerprint: ready.engineFingerprint };
  // The first fingerprint freezes the RunSpec.
  return gather(withWorker({ ...state, spec }, { ...worker, ready: true, lastSeenMs: nowMs }));
}

const readyIds = (state: RunState): string[] =>
  [...state.workers.values()].filter((worker) => worker.ready).map((worker) => worker.workerId);

/** Surveys once enough workers are ready for the first world. */
function gather(state: RunState): Decision {
  const ready = readyIds(state);
  if (state.phase.kind !== 'gathering') {
    if (state.epoch === null || state.epoch.world.some((id) => id === ready.at(-1))) return stay(state);
    const text = `${ready.at(-1)} is ready and kept as a spare: a run in progress takes no new members yet`;
    return stay(state, { kind: 'say', level: 'info', text });
  }
  if (ready.length < state.plan.expectedWorkers) return stay(state);
  const survey = state.surveys + 1;
  return stay(
    { ...state, surveys: survey, phase: { kind: 'surveying', survey, standings: new Map() } },
    { kind: 'survey', survey, ringEpoch: state.epoch?.ringEpoch ?? 0 },
  );
}

function onStanding(state: RunState, message: UpMessage<'standing'>): Decision {
  const { phase } = state;
  if (phase.kind !== 'surveying' || message.survey !== phase.survey) return stay(state);
  const standings = new Map(phase.standings).set(message.workerId, message);
  const candidates = readyIds(state);
  if (!candidates.every((id) => standings.has(id))) return stay({ ...state, phase: { ...phase, standings } });
  const decision = decideStart(candidates, standings, state.spec.shards, state.checkpoint);
  if (decision.kind === 'impossible') return fail(state, decision.reason);
  const { world, spares, nextUpdate, source, reason } = decision;
  return stay(
    { ...state, phase: { kind: 'writing' } },
    { kind: 'writeRing', world, spares, nextUpdate, source, reason },
  );
}

function onRingWritten(state: RunState, epoch: RingEpoch): Decision {
  if (state.phase.kind !== 'writing') return stay(state);
  const count = epoch.world.length;
  const spare =
    epoch.spares.length === 0
      ? ''
      : `; ${epoch.spares.join(', ')} kept as spare${epoch.spares.length === 1 ? '' : 's'}: ${state.spec.shards} shards give work to ${count}`;
  const next: RunState = {
    ...state,
    epoch,
    phase: { kind: 'training' },
    committed: epoch.nextUpdate,
    assigned: stepOf(epoch.nextUpdate),
  };
  const started = stay(next, ...epoch.world.map((workerId): RunCommand => ({ kind: 'start', workerId })), {
    kind: 'say',
    level: 'info',
    text: `ring epoch ${epoch.ringEpoch}: ${count} worker${count === 1 ? '' : 's'} from step ${stepOf(epoch.nextUpdate)}${spare}`,
  });
  return then(started, goOn);
}

function onStarted(state: RunState, message: UpMessage<'started'>): Decision {
  const { epoch } = state;
  if (epoch === null || message.ringEpoch !== epoch.ringEpoch) return stay(state);
  const started = new Set(epoch.started).add(message.workerId);
  return guard({ ...state, epoch: { ...epoch, started } }, message.workerId, [
    { update: message.nextUpdate, fingerprint: message.stateFingerprint },
  ]);
}

/** Compares fingerprints; differing replicas end the run, since nobody can say which one is right. */
function guard(
  state: RunState,
  workerId: string,
  reported: readonly { readonly update: number; readonly fingerprint: string }[],
): Decision {
  if (state.epoch === null) return stay(state);
  const outcome = compareFingerprints(state.fingerprints, state.epoch.world, workerId, reported);
  const next = { ...state, fingerprints: outcome.book };
  if (outcome.mismatch === null) return stay(next);
  const { update, fingerprints } = outcome.mismatch;
  const who = [...fingerprints].map(([id, fingerprint]) => `${id} ${fingerprint}`).join(', ');
  return fail(next, `replicas differ before update ${update} (${who})`);
}

function onReport(state: RunState, report: UpMessage<'report'>): Decision {
  const { epoch } = state;
  const worker = state.workers.get(report.workerId);
  if (epoch === null || worker === undefined || report.ringEpoch !== epoch.ringEpoch) return stay(state);
  const counted = withWorker(state, { ...worker, totals: report.totals });
  return then(commit(counted, report.rows), (committed) =>
    then(guard(committed, report.workerId, report.fingerprints), (guarded) =>
      guarded.phase.kind === 'ended' ? stay(guarded) : then(settle(guarded, report), goOn),
    ),
  );
}

/**
 * Commits the rows that follow on what is committed. An applied update is final with the first report of it: all
 * replicas that apply it, now or after a fault, compute the same bits.
 */
function commit(state: RunState, rows: readonly UpdateRow[]): Decision {
  const fresh: UpdateRow[] = [];
  for (const row of rows) if (row.update === state.committed + fresh.length) fresh.push(row);
  if (fresh.length === 0) return stay(state);
  const committed = stay(
    { ...state, committed: state.committed + fresh.length },
    { kind: 'append', rows: fresh },
  );
  const skipped = fresh.find((row) => row.skippedSteps >= limits.maxSkippedSteps);
  if (skipped === undefined) return committed;
  const why = `gradients were not finite in ${skipped.skippedSteps} steps in a row, up to step ${stepOf(skipped.update)}`;
  return then(committed, (next) => fail(next, why));
}

/** Assigns as far ahead as the plan allows; once the goal is committed, begins to finish. */
function goOn(state: RunState): Decision {
  const { epoch, phase, plan } = state;
  if (phase.kind !== 'training' || epoch === null) return stay(state);
  const until = Math.min(state.goal, stepOf(state.committed) + plan.prefetch);
  const commands: RunCommand[] = [];
  for (let step = state.assigned; step < until; step++) commands.push(...assignStep(state, epoch, step));
  const next = { ...state, assigned: Math.max(state.assigned, until) };
  if (state.committed < 2 * state.goal) return stay(next, ...commands);
  const outcome = state.goal === plan.steps ? 'done' : 'interrupted';
  const finishing: RunState = { ...next, phase: { kind: 'finishing', outcome, stage: 'settling' } };
  return stay(finishing, ...commands, ...askToSettle(finishing));
}

function assignStep(state: RunState, epoch: RingEpoch, step: number, only?: readonly number[]): RunCommand[] {
  const { shards } = state.spec;
  const wanted = only ?? Array.from({ length: shards }, (_, shard) => shard);
  return wanted.flatMap((shard): RunCommand[] => {
    const workerId = epoch.world[rankOfShard(step, shard, shards, epoch.world.length)];
    return workerId === undefined || shard >= shards ? [] : [{ kind: 'assign', workerId, step, shard }];
  });
}

function onNeed(state: RunState, need: UpMessage<'need'>): Decision {
  const { epoch } = state;
  if (epoch === null || need.ringEpoch !== epoch.ringEpoch || need.step >= state.assigned) return stay(state);
  const commands = assignStep(state, epoch, need.step, need.shards);
  return stay(
    state,
    ...commands.filter((command) => command.kind === 'assign' && command.workerId === need.workerId),
  );
}

/** Asks each member that has not done so for a report on the last update, with a fingerprint. */
function askToSettle(state: RunState): RunCommand[] {
  const missing = state.epoch?.world.filter((id) => !state.settled.has(id)) ?? [];
  return missing.map((workerId) => ({ kind: 'settle', workerId, update: 2 * state.goal }));
}

function settle(state: RunState, report: UpMessage<'report'>): Decision {
  const last = 2 * state.goal;
  const { phase, epoch } = state;
  if (phase.kind !== 'finishing' || phase.stage !== 'settling' || epoch === null) return stay(state);
  if (report.nextUpdate !== last || !report.fingerprints.some(({ update }) => update === last))
    return stay(state);
  const settled = new Set(state.settled).add(report.workerId);
  if (!epoch.world.every((id) => settled.has(id))) return stay({ ...state, settled });
  return afterCheckpoint({ ...state, settled, phase: { ...phase, stage: 'checkpointing' } });
}

function takeCheckpoint(state: RunState, nowMs: number): Decision {
  const workerId = state.epoch?.world[0];
  if (workerId === undefined) return stay(state);
  const task = `checkpoint-${state.tasks + 1}`;
  return stay(
    { ...state, tasks: state.tasks + 1, checkpointTask: { task, workerId, sinceMs: nowMs } },
    { kind: 'takeCheckpoint', workerId, task },
  );
}

function onCheckpointCommitted(state: RunState): Decision {
  return state.phase.kind === 'finishing' && state.phase.stage === 'checkpointing'
    ? afterCheckpoint(state)
    : stay(state);
}

/** In the checkpointing stage: a checkpoint of the last update leads on, any other asks for one more. */
function afterCheckpoint(state: RunState): Decision {
  const { phase, epoch } = state;
  if (phase.kind !== 'finishing' || epoch === null || state.checkpointTask !== null) return stay(state);
  if (state.checkpoint?.update !== 2 * state.goal) return takeCheckpoint(state, state.lastCheckpointMs);
  if (phase.outcome === 'interrupted') {
    return stay(
      { ...state, phase: { ...phase, stage: 'writing' } },
      { kind: 'writeResult', outcome: 'interrupted', files: [] },
    );
  }
  const workerId = epoch.world[0];
  if (workerId === undefined) return stay(state);
  const task = `export-${state.tasks + 1}`;
  return stay(
    { ...state, tasks: state.tasks + 1, phase: { ...phase, stage: 'exporting' } },
    { kind: 'export', workerId, task },
  );
}

function onExported(state: RunState, message: UpMessage<'exported'>): Decision {
  const { phase } = state;
  if (phase.kind !== 'finishing' || phase.stage !== 'exporting') return stay(state);
  return stay(
    { ...state, phase: { ...phase, stage: 'writing' } },
    { kind: 'writeResult', outcome: phase.outcome, files: message.files },
  );
}

function onTaskFailed(state: RunState, message: UpMessage<'taskFailed'>, nowMs: number): Decision {
  if (state.phase.kind === 'finishing')
    return fail(state, `${message.workerId} could not finish the run: ${message.message}`);
  if (message.task !== state.checkpointTask?.task) return stay(state);
  return stay(
    { ...state, checkpointTask: null, lastCheckpointMs: nowMs },
    { kind: 'say', level: 'warning', text: `checkpoint failed, the last one stays: ${message.message}` },
  );
}

function onResultWritten(state: RunState): Decision {
  const { phase } = state;
  if (phase.kind !== 'finishing') return stay(state);
  return phase.outcome === 'done'
    ? end(state, 'done', 0, `${state.goal} steps done`)
    : end(
        state,
        'interrupted',
        130,
        `stopped at step ${state.goal} of ${state.plan.steps}, with a checkpoint`,
      );
}

function onStopRequested(state: RunState): Decision {
  switch (state.phase.kind) {
    case 'gathering':
    case 'surveying':
    case 'writing':
      return end(state, 'interrupted', 130, 'stopped before the first step');
    case 'training':
      // What is assigned is finished, so that all replicas stop at the same update.
      return goOn({ ...state, goal: Math.min(state.goal, state.assigned) });
    case 'finishing':
    case 'ended':
      return stay(state);
  }
}

function onFailure(state: RunState, failure: UpMessage<'failure'>): Decision {
  if (state.epoch !== null && failure.ringEpoch !== state.epoch.ringEpoch) return stay(state);
  return fail(state, `${failure.workerId}: ${failure.message}`);
}

/** Until membership can change, the loss of a member ends the run; anybody else may come and go. */
function onLost(state: RunState, workerId: string, how: string): Decision {
  if (state.phase.kind === 'gathering' && state.plan.refusalEndsRun) {
    return fail(state, `${workerId} was lost before the first step: it ${how}`);
  }
  if (!state.workers.has(workerId)) return stay(state);
  const workers = new Map(state.workers);
  workers.delete(workerId);
  const next = { ...state, workers };
  if (state.epoch?.world.includes(workerId) === true || state.phase.kind === 'surveying') {
    return fail(next, `${workerId} was lost at step ${stepOf(state.committed)}: it ${how}`);
  }
  return stay(next, { kind: 'say', level: 'warning', text: `${workerId} left: it ${how}` });
}

function onTick(state: RunState, nowMs: number): Decision {
  const { phase, plan, epoch } = state;
  const silent = [...state.workers.values()].find((worker) => nowMs - worker.lastSeenMs > SILENT_MS);
  if (silent !== undefined) return onLost(state, silent.workerId, `was silent for ${SILENT_MS / 1000} s`);
  if (phase.kind === 'gathering' && nowMs - phase.sinceMs > plan.waitWorkersMs) {
    const found = readyIds(state).length;
    return fail(
      state,
      `${plan.expectedWorkers} workers were expected within ${plan.waitWorkersMs / 1000} s, found ${found} ready`,
    );
  }
  if (phase.kind === 'surveying') {
    return stay(state, { kind: 'survey', survey: phase.survey, ringEpoch: epoch?.ringEpoch ?? 0 });
  }
  if (epoch === null) return stay(state);
  const task = state.checkpointTask;
  if (task !== null && nowMs - task.sinceMs > CHECKPOINT_DEADLINE_MS) {
    const message = `no checkpoint in the store after ${CHECKPOINT_DEADLINE_MS / 1000} s`;
    return onTaskFailed(state, { workerId: task.workerId, task: task.task, message }, nowMs);
  }
  if (phase.kind === 'finishing' && phase.stage === 'settling') return stay(state, ...askToSettle(state));
  if (phase.kind !== 'training') return stay(state);
  const late = epoch.world.filter((id) => !epoch.started.has(id));
  const again = late.length > 0 && nowMs - epoch.sentAtMs > START_AGAIN_MS;
  const restarted = again
    ? stay(
        { ...state, epoch: { ...epoch, sentAtMs: nowMs } },
        ...late.map((workerId): RunCommand => ({ kind: 'start', workerId })),
      )
    : stay(state);
  const due = task === null && nowMs - state.lastCheckpointMs >= plan.checkpointEveryMs;
  return due ? then(restarted, (next) => takeCheckpoint(next, nowMs)) : restarted;
}
