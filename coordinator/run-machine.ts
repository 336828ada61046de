import { INTERRUPTED, stepOf, type UpMessage } from '../proto/index.js';
import { forgetWaiting } from './card-queue.js';
import { onCheckpointFailed, onCheckpointed, takeCheckpoint, watchCheckpoint } from './checkpointing.js';
import {
  allLeave,
  candidates,
  exclude,
  hear,
  nameOf,
  onHello,
  onReady,
  reachable,
  readmit,
  strike,
  withWorker,
  withoutWorker,
} from './crew.js';
import { end, fail, say, stalled, stay, andThen } from './decision.js';
import { goOnFinishing, onEndFailed, onExported, onResultWritten, watchFinish } from './finishing.js';
import {
  forgiveNewest,
  onNewestAsked,
  onNewestExported,
  onNewestFailed,
  onNewestKept,
  watchNewest,
} from './newest-export.js';
import { replicaSilenceMs, stallMs, surveyDeadlineMs, suspectDeadlineMs } from './pace.js';
import { chooseWorld } from './ring-order.js';
import {
  isComplete,
  type Cause,
  type CauseKind,
  type Decision,
  type Phase,
  type RunEvent,
  type RunState,
} from './run-state.js';
import { goOn, onNeed, onReport, onRingWritten, onSample, onStarted, startAgain } from './training.js';
import {
  awaitWorkers,
  considerStandings,
  endWithoutWorkers,
  gather,
  losesWork,
  missesSuspectsOnly,
  onStanding,
  openSurvey,
  surveyCommand,
} from './world-change.js';

/** A start that was not acknowledged is sent again after this long. */
const START_AGAIN_MS = 500;
/** A worker that is silent for this long is taken for lost. Heartbeats come twice a second. */
const SILENT_MS = 3_500;
/** Between two ticks: more means that this process stood still, and what others said waits to be read. */
const PAUSED_MS = 1_500;
/** The same for the answers to a survey, which are waited for so shortly. */
const LATE_MS = 250;
/** Those who hold what is committed are waited for longer: without them it is computed again from the checkpoint. */
const WORK_PATIENCE_MS = 3_000;
/** Newcomers that are ready at about the same time are let in together. */
const JOIN_TOGETHER_MS = 250;
/** NATS may be away for a minute and for some more; then somebody has to look after it. */
const NATS_PATIENCE_MS = 600_000;
/** A ring epoch that could not be written is tried again, later and later: a minute's outage is to be outlived. */
const UNWRITTEN_AGAIN_MS = 100;
const LONGEST_UNWRITTEN_MS = 5_000;
const MAX_UNWRITTEN = 20;

/**
 * The run as a pure function: what has happened and the time go in, the next state and what is to be done come out.
 * Nothing here sends, writes or reads a clock.
 */
export function advance(state: RunState, event: RunEvent, nowMs: number): Decision {
  if (state.phase.kind === 'ended') return stay(state);
  const heard = hearEvent(state, event, nowMs);
  switch (event.kind) {
    case 'hello':
      return onHello(heard, event.message, nowMs);
    case 'ready':
      return andThen(onReady(heard, event.message, nowMs), (next) => welcomeNewcomers(next, nowMs));
    case 'heartbeat':
      // Whoever has no welcome yet says hello by itself: it may have to wait for a card.
      return heard.workers.has(event.message.workerId) || event.message.runId === null
        ? stay(heard)
        : stay(heard, { kind: 'announce' });
    case 'standing':
      // A worker takes a survey for the answer to its `ready`: when that was lost, it has to be asked for again.
      return heard.workers.get(event.message.workerId)?.ready === true
        ? onStanding(heard, event.message, nowMs)
        : stay(heard, { kind: 'announce' });
    case 'ringWritten':
      return onRingWritten(heard, event.epoch, nowMs);
    case 'ringNotWritten':
      return onRingNotWritten(heard, event.message, nowMs);
    case 'started':
      return onStarted(heard, event.message, nowMs);
    case 'report':
      return onReport(heard, event.message, nowMs);
    case 'need':
      return onNeed(heard, event.message);
    case 'sample':
      return onSample(heard, event.message);
    case 'failure':
      return onFailure(heard, event.message, nowMs);
    case 'leaving':
      return onLeaving(heard, event.message, nowMs);
    case 'goodbye':
      return onGone(heard, event.message.workerId, event.message.reason, 'leave', nowMs);
    case 'exited':
      return onExited(heard, event.message, nowMs);
    case 'checkpointed':
      return onCheckpointed(heard, event.message);
    case 'checkpointCommitted': {
      const task = heard.checkpointTask?.committing === true ? null : heard.checkpointTask;
      const next = {
        ...heard,
        checkpoint: event.record,
        checkpointedMs: nowMs,
        checkpointTask: task,
        lastCheckpointMs: nowMs,
        failedCheckpoints: 0,
        mismatches: 0,
      };
      return andThen(goOnFinishing(next, nowMs), (now) => letLastOnesLeave(now, nowMs));
    }
    case 'exported':
      return andThen(onExported(heard, event.message), (next) => onNewestExported(next, event.message));
    case 'newestAsked':
      return onNewestAsked(heard, event.networks, nowMs);
    case 'newestKept':
      return onNewestKept(heard, event.task, nowMs);
    case 'newestFailed':
      return onNewestFailed(heard, event.task, event.message, nowMs);
    case 'taskFailed':
      return onTaskFailed(heard, event.message, nowMs);
    case 'resultWritten':
      return onResultWritten(heard);
    case 'effectFailed':
      return heard.phase.kind === 'finishing' && heard.phase.stage === 'writing'
        ? onEndFailed(heard, event.message, nowMs)
        : fail(heard, event.message);
    case 'connection':
      return onConnection(heard, event.up, nowMs);
    case 'stopRequested':
      return onStopRequested(heard, nowMs);
    case 'foundComplete':
      return end(heard, 'done', 0, `${heard.goal} steps done; this run was finished before`);
    case 'tick':
      return onTick(heard, nowMs);
  }
}

/** Whoever speaks lives; heartbeats tell whether the thread that computes does as well. */
function hearEvent(state: RunState, event: RunEvent, nowMs: number): RunState {
  if (!('message' in event) || typeof event.message !== 'object') return state;
  const { message } = event;
  if (!('workerId' in message)) return state;
  // An engine that is being brought up may take its time.
  const ready = state.workers.get(message.workerId)?.ready === true;
  const silentMs = ready && 'replicaSilentMs' in message ? message.replicaSilentMs : 0;
  const lives = silentMs < replicaSilenceMs(state.pace);
  return hear(state, message.workerId, nowMs, lives);
}

const causeOf = (kind: CauseKind, text: string, atMs: number): Cause => ({
  kind,
  text,
  atMs,
  fromAgreed: false,
});

/** Whether a worker's loss concerns the ring epoch in progress, or the one that is being opened. */
function isNeeded({ phase, epoch }: RunState, workerId: string): boolean {
  switch (phase.kind) {
    case 'training':
    case 'finishing':
      return epoch?.world.includes(workerId) === true;
    case 'writing':
      return phase.world.includes(workerId);
    case 'surveying':
    case 'gathering':
    case 'ended':
      return false;
  }
}

/** A member's own end, or failure, explains the links to it that were lost: nobody else has to be suspected for them. */
function explainLinks(state: RunState, workerId: string): RunState {
  const { phase } = state;
  if (phase.kind !== 'surveying') return state;
  return {
    ...state,
    phase: { ...phase, failures: phase.failures.filter(({ neighbour }) => neighbour !== workerId) },
  };
}

/** The end of a member's process says more than the links that were lost with it, and often comes after them. */
function explainEnd(state: RunState, workerId: string, text: string): RunState {
  const { phase, epoch, fault } = state;
  if (phase.kind !== 'surveying' || phase.failures.length === 0 || phase.cause.kind !== 'lost') return state;
  if (epoch?.world.includes(workerId) !== true) return state;
  const told = fault?.text === phase.cause.text ? { ...fault, text } : fault;
  const named = { ...state, fault: told, phase: { ...phase, cause: { ...phase.cause, text } } };
  return explainLinks(named, workerId);
}

/** A worker is gone or excluded: the world changes if it was in it; a survey may be complete without it. */
function goOnWithout(state: RunState, cause: Cause, needed: boolean, nowMs: number): Decision {
  if (needed) return openSurvey(state, cause, nowMs);
  if (state.phase.kind === 'surveying') return considerStandings(state, nowMs, false);
  return stay(state, say(cause.kind === 'leave' ? 'info' : 'warning', cause.text));
}

/** The worker's process has ended. */
function onGone(state: RunState, workerId: string, reason: string, kind: CauseKind, nowMs: number): Decision {
  const worker = state.workers.get(workerId);
  if (worker === undefined) return stay(state);
  const needed = isNeeded(state, workerId);
  const cause = causeOf(kind, `${worker.name} left: ${reason}`, nowMs);
  return goOnWithout(withoutWorker(explainEnd(state, workerId, cause.text), workerId), cause, needed, nowMs);
}

function onExited(state: RunState, message: UpMessage<'exited'>, nowMs: number): Decision {
  const gone = [...state.workers.values()].find(
    ({ hostname, pid }) => hostname === message.hostname && pid === message.pid,
  );
  if (gone === undefined) return stay(state);
  if (gone.leaving !== null) return onGone(state, gone.workerId, message.reason, 'leave', nowMs);
  return onGone(strike(state, gone.workerId, nowMs), gone.workerId, message.reason, 'lost', nowMs);
}

function onLeaving(state: RunState, { workerId, reason }: UpMessage<'leaving'>, nowMs: number): Decision {
  const worker = state.workers.get(workerId);
  if (worker === undefined) return stay(state);
  const inWorld = isNeeded(state, workerId);
  const { phase, epoch } = state;
  // While the world changes, and until all have begun: its state may still be asked for.
  const changing =
    phase.kind === 'surveying' ||
    phase.kind === 'writing' ||
    (phase.kind === 'gathering'
      ? epoch === null && state.surveys === 0
      : epoch !== null && !isComplete(epoch));
  // Repeated until it is released: by then it is no member any more.
  if (!inWorld && !changing)
    return stay(withWorker(state, { ...worker, leaving: reason }), { kind: 'release', workerId });
  if (worker.leaving !== null) return stay(state);
  const next = withWorker(state, { ...worker, leaving: reason });
  if (!inWorld) return stay(next);
  // The last ones' state goes with them: it is kept first.
  if (allLeave(next) && next.phase.kind === 'training') {
    if (next.checkpointTask !== null) return stay(next);
    if (isFree(next)) return takeCheckpoint(next, nowMs);
  }
  return openSurvey(next, causeOf('leave', `${worker.name} leaves: ${reason}`, nowMs), nowMs);
}

const isFree = ({ epoch, checkpointTask }: RunState): boolean =>
  epoch !== null && isComplete(epoch) && checkpointTask === null;

/** Nobody stays, and what there was to keep is kept, or cannot be. */
function letLastOnesLeave(state: RunState, nowMs: number): Decision {
  if (state.phase.kind !== 'training' || !allLeave(state)) return stay(state);
  return awaitWorkers(state, 'the last worker leaves', nowMs);
}

function onFailure(state: RunState, failure: UpMessage<'failure'>, nowMs: number): Decision {
  const { epoch } = state;
  const { workerId, neighbour, message, code } = failure;
  if (epoch === null || failure.ringEpoch !== epoch.ringEpoch || code === 'aborted') return stay(state);
  const name = nameOf(state, workerId);
  if (neighbour !== null) {
    // Once everybody is asked to leave, links end one after the other; only beside a lost link it may be the same one's.
    if (state.phase.kind === 'surveying' && state.phase.failures.length === 0) return stay(state);
    // The worker's log tells the rest.
    const silent = code === 'ring-deadline';
    const what = silent ? 'heard nothing from' : 'lost its link to';
    const text = `${name} ${what} ${nameOf(state, neighbour)}`;
    return openSurvey(state, causeOf('lost', text, nowMs), nowMs, [{ workerId, neighbour, silent }]);
  }
  const worker = state.workers.get(workerId);
  if (worker === undefined || worker.failedIn === failure.ringEpoch) return stay(state);
  const failed = `${name} failed: ${message}`;
  const noted = { ...withWorker(state, { ...worker, failedIn: failure.ringEpoch }), ownFault: failed };
  const counted = andThen(exclude(noted, workerId, nowMs, true), (next) => stay(readmit(next, nowMs, false)));
  const { phase } = state;
  switch (phase.kind) {
    case 'training':
    case 'finishing': {
      const cause = causeOf('fault', failed, nowMs);
      return andThen(counted, (next) => openSurvey(next, cause, nowMs));
    }
    case 'surveying':
      return andThen(counted, (next) => considerStandings(explainLinks(next, workerId), nowMs, false));
    case 'gathering':
    case 'writing':
    case 'ended':
      return counted;
  }
}

function onTaskFailed(state: RunState, message: UpMessage<'taskFailed'>, nowMs: number): Decision {
  if (message.task === state.exportTask?.task) {
    const why = `${nameOf(state, message.workerId)} could not finish the run: ${message.message}`;
    return onEndFailed(state, why, nowMs);
  }
  if (message.task === state.newest.task?.task)
    return onNewestFailed(state, message.task, message.message, nowMs);
  if (message.task !== state.checkpointTask?.task) return stay(state);
  return andThen(onCheckpointFailed(state, message.message, nowMs), (next) => letLastOnesLeave(next, nowMs));
}

function onRingNotWritten(state: RunState, message: string, nowMs: number): Decision {
  const { phase } = state;
  if (phase.kind !== 'writing') return stay(state);
  const unwritten = state.unwritten + 1;
  const why = `the ring epoch could not be written: ${message}`;
  if (unwritten >= MAX_UNWRITTEN) return fail(state, `${why} (${unwritten} times in a row)`);
  const waitMs = Math.min(LONGEST_UNWRITTEN_MS, UNWRITTEN_AGAIN_MS * 2 ** (unwritten - 1));
  const retry = { atMs: nowMs + waitMs, cause: phase.changed ?? phase.cause };
  return stay(
    { ...state, unwritten, phase: { kind: 'gathering', sinceMs: nowMs, firstReadyMs: null, retry } },
    say('warning', `${why}; tried again in ${waitMs / 1000} s`),
  );
}

/** Deadlines start afresh: nobody is taken for lost because nobody could be heard. */
function forgive(state: RunState, nowMs: number): RunState {
  const { checkpointTask, exportTask, epoch } = state;
  const workers = new Map(
    [...state.workers].map(([id, worker]) => [id, { ...worker, lastSeenMs: nowMs }] as const),
  );
  return {
    ...state,
    workers,
    phase: forgivePhase(state.phase, nowMs),
    checkpointTask: checkpointTask === null ? null : { ...checkpointTask, sinceMs: nowMs },
    exportTask: exportTask === null ? null : { ...exportTask, sinceMs: nowMs },
    newest: forgiveNewest(state.newest, nowMs),
    epoch: epoch === null ? null : { ...epoch, sentAtMs: nowMs },
    pace: { ...state.pace, sinceMs: nowMs },
    lastTickMs: nowMs,
  };
}

/** Time in which this process stood still counts for nobody's deadline. */
function wake(state: RunState, sinceTickMs: number, nowMs: number): RunState {
  if (sinceTickMs > PAUSED_MS) return forgive(state, nowMs);
  const { phase } = state;
  const late = sinceTickMs > LATE_MS && phase.kind === 'surveying';
  const sinceMs = late ? phase.sinceMs + sinceTickMs : 0;
  return { ...state, lastTickMs: nowMs, phase: late ? { ...phase, sinceMs } : phase };
}

function forgivePhase(phase: Phase, nowMs: number): Phase {
  if (phase.kind === 'surveying') return { ...phase, sinceMs: nowMs };
  if (phase.kind !== 'gathering') return phase;
  return { ...phase, sinceMs: nowMs, firstReadyMs: phase.firstReadyMs === null ? null : nowMs };
}

function onConnection(state: RunState, up: boolean, nowMs: number): Decision {
  if (up === state.connected) return stay(state);
  if (!up) {
    const text = 'NATS does not answer: the run pauses until it does';
    return stay({ ...state, connected: false, disconnectedMs: nowMs }, say('warning', text));
  }
  const seconds = ((nowMs - state.disconnectedMs) / 1000).toFixed(1);
  const back = forgive({ ...state, connected: true }, nowMs);
  return stay(back, say('info', `NATS answers again after ${seconds} s: the run goes on`));
}

function onStopRequested(state: RunState, nowMs: number): Decision {
  const { phase, epoch, plan } = state;
  switch (phase.kind) {
    case 'gathering':
    case 'surveying':
    case 'writing': {
      if (epoch === null && state.committed === 0 && state.recordedEpoch === 0)
        return end(state, 'interrupted', INTERRUPTED, 'stopped before the first step');
      const goal = Math.min(state.goal, Math.max(state.assigned, stepOf(state.committed)));
      const stopping = { ...state, goal };
      if (phase.kind !== 'gathering') return stay(stopping);
      // Those that have come may hold more than the checkpoint does; where nothing can be written it is of no use.
      const held = phase.retry === undefined && reachable(state).some(({ holdsState }) => holdsState);
      if (!held) return endWithoutWorkers(state);
      const cause = causeOf('coordinator', 'the run is asked to stop', nowMs);
      return openSurvey(stopping, cause, nowMs);
    }
    case 'training':
      // What is assigned is finished, so that all replicas stop at the same update.
      return goOn({ ...state, goal: Math.min(state.goal, state.assigned, plan.steps) });
    case 'finishing':
    case 'ended':
      return stay(state);
  }
}

function onTick(state: RunState, nowMs: number): Decision {
  const { connected, disconnectedMs, lastTickMs } = state;
  if (!connected) {
    if (nowMs - disconnectedMs < NATS_PATIENCE_MS) return stay({ ...state, lastTickMs: nowMs });
    return fail(state, `NATS has not answered for ${NATS_PATIENCE_MS / 1000} s`);
  }
  const awake = wake(state, nowMs - lastTickMs, nowMs);
  const cuts = awake.cuts.filter(({ untilMs }) => untilMs > nowMs);
  const kept = forgetWaiting(awake, SILENT_MS, nowMs);
  const fresh = cuts.length === kept.cuts.length ? kept : { ...kept, cuts };
  return andThen(dropSilent(fresh, nowMs), (next) =>
    andThen(welcomeNewcomers(readmit(next, nowMs, false), nowMs), (now) => watchPhase(now, nowMs)),
  );
}

function dropSilent(state: RunState, nowMs: number): Decision {
  let decision = stay(state);
  for (const worker of state.workers.values()) {
    const silentMs = nowMs - worker.lastSeenMs;
    if (worker.excluded !== null || silentMs <= SILENT_MS) continue;
    const { workerId, name } = worker;
    const text = `${name} was silent for ${(silentMs / 1000).toFixed(1)} s`;
    decision = andThen(decision, (next) => {
      const needed = isNeeded(next, workerId);
      return andThen(exclude(next, workerId, nowMs, false), (without) =>
        goOnWithout(without, causeOf('lost', text, nowMs), needed, nowMs),
      );
    });
  }
  return decision;
}

/** Opens a ring epoch for those who are ready and would have a place in the world. */
function welcomeNewcomers(state: RunState, nowMs: number): Decision {
  const { phase, epoch } = state;
  if (phase.kind === 'gathering') return gather(state, nowMs);
  if (phase.kind !== 'training' || epoch === null) return stay(state);
  const ids = candidates(state).map(({ workerId }) => workerId);
  const fitting = chooseWorld(ids, state.spec.shards, state.cuts);
  const newcomers = fitting.filter((id) => !epoch.world.includes(id));
  if (newcomers.length === 0) return stay({ ...state, joinSinceMs: null });
  const joinSinceMs = state.joinSinceMs ?? nowMs;
  // One change at a time: the present world is to have begun first.
  if (!isComplete(epoch) || nowMs - joinSinceMs < JOIN_TOGETHER_MS) return stay({ ...state, joinSinceMs });
  const names = newcomers.map((id) => nameOf(state, id)).join(', ');
  const text = `${names} join${newcomers.length === 1 ? 's' : ''}`;
  return openSurvey(state, causeOf('join', text, nowMs), nowMs);
}

/** How long answers to the survey under way are waited for. */
function surveyPatienceMs(state: RunState): number {
  const { pace } = state;
  if (losesWork(state)) return Math.max(surveyDeadlineMs(pace), WORK_PATIENCE_MS);
  return missesSuspectsOnly(state) ? suspectDeadlineMs(pace) : surveyDeadlineMs(pace);
}

function watchPhase(state: RunState, nowMs: number): Decision {
  const { phase, plan, epoch } = state;
  switch (phase.kind) {
    case 'gathering': {
      if (candidates(state).length > 0) return stay(state);
      const kept = readmit(state, nowMs, true);
      // Better one that failed often than nobody.
      if (candidates(kept).length > 0) return gather(kept, nowMs);
      if (nowMs - phase.sinceMs <= plan.waitWorkersMs) return stay(state);
      const found = [...state.workers.values()].filter(({ excluded }) => excluded === null).length;
      const preparing = found === 0 ? 'none came' : `${found} came and none was ready`;
      return fail(state, `a worker was expected within ${plan.waitWorkersMs / 1000} s, ${preparing}`);
    }
    case 'surveying': {
      const overdue = nowMs - phase.sinceMs > surveyPatienceMs(state);
      const decided = considerStandings(state, nowMs, overdue);
      return decided.state.phase.kind === 'surveying'
        ? stay(decided.state, ...decided.commands, surveyCommand(decided.state, phase.survey))
        : decided;
    }
    case 'training': {
      const waitedMs = nowMs - state.pace.sinceMs;
      if (waitedMs > stallMs(state.pace) && epoch !== null && isComplete(epoch)) {
        const text = `no update was committed for ${(waitedMs / 1000).toFixed(0)} s`;
        return openSurvey(state, stalled(text, nowMs), nowMs);
      }
      return andThen(startAgain(state, START_AGAIN_MS, nowMs), (next) => {
        const isTime = nowMs - next.lastCheckpointMs >= plan.checkpointEveryMs || allLeave(next);
        const due = isFree(next) && isTime;
        const kept = due ? takeCheckpoint(next, nowMs) : watchCheckpoint(next, nowMs);
        return andThen(kept, (now) => (now.phase.kind === 'training' ? watchNewest(now, nowMs) : stay(now)));
      });
    }
    case 'finishing':
      return andThen(startAgain(state, START_AGAIN_MS, nowMs), (next) =>
        andThen(watchFinish(next, nowMs), (now) => watchCheckpoint(now, nowMs)),
      );
    case 'writing':
    case 'ended':
      return stay(state);
  }
}
