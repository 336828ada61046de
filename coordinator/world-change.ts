import { INTERRUPTED, stepOf, type UpMessage } from '../proto/index.js';
import { brokenLink, linkKey, type LinkFailure } from './blame.js';
import { candidates, exclude, nameOf, namesOf, reachable } from './crew.js';
import { end, fail, keptWords, say, stay, andThen } from './decision.js';
import { compareStandings, decideStart, type Candidate, type StandingMismatch } from './membership.js';
import { leaveNewest } from './newest-export.js';
import { isCut } from './ring-order.js';
import type { Cause, Decision, RunState } from './run-state.js';

/** A link that failed twice in a row is not tried again for so long. */
const CUT_MS = 60_000;
/** Times that replicas may differ without a checkpoint between before the run is given up. */
const MAX_MISMATCHES = 3;

/** For the others of a world to be heard, once one of them was. */
const GATHER_AGAIN_MS = 500;

/** Something went wrong, and was not only asked for. */
export const isBroken = ({ kind }: Cause): boolean =>
  kind === 'lost' || kind === 'fault' || kind === 'stall' || kind === 'mismatch';

const plural = (count: number): string => `${count} worker${count === 1 ? '' : 's'}`;

/**
 * Begins a change of the world, whatever its cause: everybody is to leave the ring epoch and to say where it stands. While
 * one is under way already, it takes the further cause in.
 */
export function openSurvey(
  state: RunState,
  cause: Cause,
  nowMs: number,
  failures: readonly LinkFailure[] = [],
): Decision {
  const { phase } = state;
  switch (phase.kind) {
    case 'ended':
      return stay(state);
    case 'surveying': {
      const fromAgreed = phase.cause.fromAgreed || cause.fromAgreed;
      const merged = { ...phase.cause, fromAgreed };
      return stay({
        ...state,
        phase: { ...phase, cause: merged, failures: [...phase.failures, ...failures] },
      });
    }
    case 'writing':
      return stay({ ...state, phase: { ...phase, changed: phase.changed ?? cause } });
    case 'finishing':
      // The result is being written: nobody is needed any more.
      if (phase.stage === 'writing') return stay(state);
      break;
    case 'gathering':
    case 'training':
  }
  const survey = state.surveys + 1;
  return stay(
    {
      ...leaveNewest(state),
      surveys: survey,
      phase: {
        kind: 'surveying',
        survey,
        askedMs: nowMs,
        sinceMs: nowMs,
        cause,
        standings: new Map(),
        failures,
      },
      checkpointTask: state.checkpointTask?.committing === true ? state.checkpointTask : null,
      exportTask: null,
      settled: new Set(),
      joinSinceMs: null,
      fault: state.fault ?? (isBroken(cause) ? { atMs: cause.atMs, text: cause.text } : null),
    },
    surveyCommand(state, survey),
  );
}

const newestEpoch = ({ recordedEpoch, epoch }: RunState): number =>
  Math.max(recordedEpoch, epoch?.ringEpoch ?? 0);

export const surveyCommand = (state: RunState, survey: number) => ({
  kind: 'survey' as const,
  survey,
  ringEpoch: newestEpoch(state),
});

export function onStanding(state: RunState, message: UpMessage<'standing'>, nowMs: number): Decision {
  const { phase } = state;
  if (phase.kind !== 'surveying' || message.survey !== phase.survey || message.term !== state.term)
    return stay(state);
  const standings = new Map(phase.standings).set(message.workerId, message);
  return considerStandings({ ...state, phase: { ...phase, standings } }, nowMs, false);
}

/**
 * Decides once everybody has answered, or, when that is overdue, with those who have: the others are excluded, and may come
 * back as newcomers.
 */
export function considerStandings(state: RunState, nowMs: number, overdue: boolean): Decision {
  const { phase } = state;
  if (phase.kind !== 'surveying') return stay(state);
  // The pointer to the checkpoint is being moved: which one there is to go back to is known in a moment.
  if (state.checkpointTask?.committing === true) return stay(state);
  const silent = reachable(state).filter(({ workerId }) => !phase.standings.has(workerId));
  if (silent.length > 0 && !overdue) return stay(state);
  // Whoever has come since the question was put had no time to answer.
  const missed = silent.filter(({ readyMs }) => readyMs <= phase.askedMs);
  let excluded = stay(state);
  for (const { workerId } of missed)
    excluded = andThen(excluded, (next) => exclude(next, workerId, nowMs, false));
  const names = missed.map(({ name }) => name).join(', ');
  const words = missed.length === 0 ? '' : `; ${names} did not answer`;
  return andThen(excluded, (next) => decide(next, words, missed.length === 0, nowMs));
}

/** Whether those who have answered a survey so far would take the run back behind what is committed. */
export function losesWork({ phase, committed }: RunState): boolean {
  if (phase.kind !== 'surveying' || phase.cause.fromAgreed) return false;
  const furthest = Math.max(0, ...[...phase.standings.values()].map(({ nextUpdate }) => nextUpdate ?? 0));
  return furthest < committed - 1;
}

/** Whether nobody's answer is missing but theirs whose links were lost. */
export function missesSuspectsOnly(state: RunState): boolean {
  const { phase } = state;
  if (phase.kind !== 'surveying') return false;
  const suspects = new Set(phase.failures.map(({ neighbour }) => neighbour));
  return reachable(state).every(({ workerId }) => phase.standings.has(workerId) || suspects.has(workerId));
}

/** @param allAnswered nobody is missing, so a link that failed has both its ends alive */
function decide(state: RunState, words: string, allAnswered: boolean, nowMs: number): Decision {
  const { phase } = state;
  if (phase.kind !== 'surveying') return stay(state);
  const answered: Candidate[] = reachable(state).flatMap(({ workerId, ring, leaving }) => {
    const told = phase.standings.get(workerId);
    if (told === undefined) return [];
    const standing =
      told.begunIn >= state.trustedFrom ? told : { ...told, nextUpdate: null, stateFingerprint: null };
    return [{ member: { workerId, ...ring }, standing, leaving: leaving !== null }];
  });
  const mismatch = phase.cause.fromAgreed ? null : compareStandings(answered);
  const judged = mismatch === null ? stay(state) : distrust(state, mismatch, nowMs);
  return andThen(judged, (trusted) => {
    const linked = allAnswered ? suspectLink(trusted, phase.failures, nowMs) : stay(trusted);
    return andThen(linked, (next) => choose(next, answered, words, nowMs));
  });
}

/** Two replicas differ: nobody can say which one is right, so nothing newer than what all agreed on counts. */
export function distrust(state: RunState, mismatch: StandingMismatch, nowMs: number): Decision {
  const { update, fingerprints } = mismatch;
  const who = [...fingerprints].map(([id, fingerprint]) => `${nameOf(state, id)} ${fingerprint}`).join(', ');
  const text = `replicas differ before update ${update} (${who})`;
  const mismatches = state.mismatches + 1;
  if (mismatches > MAX_MISMATCHES) {
    return fail(
      state,
      `${text}, for the ${mismatches}th time since the last checkpoint: a machine's memory may be faulty`,
    );
  }
  const cause: Cause = { kind: 'mismatch', text, atMs: nowMs, fromAgreed: true };
  const { phase } = state;
  const counted = { ...state, mismatches, trustedFrom: newestEpoch(state) + 1 };
  const told = say('error', `${text}: all go back to what all agreed on`);
  if (phase.kind !== 'surveying')
    return andThen(stay(counted, told), (next) => openSurvey(next, cause, nowMs));
  return stay({ ...counted, phase: { ...phase, cause } }, told);
}

/** A link between two that both live is tried once more; when it fails again at once, it is taken for cut. */
function suspectLink(state: RunState, failures: readonly LinkFailure[], nowMs: number): Decision {
  const link = brokenLink(failures);
  if (link === null) return stay(state);
  const key = linkKey(link);
  if (state.suspect !== key) return stay({ ...state, suspect: key });
  const { workerId: a, neighbour: b } = link;
  if (isCut(state.cuts, a, b)) return stay(state);
  const text = `no connection holds between ${nameOf(state, a)} and ${nameOf(state, b)}: they are kept apart for ${CUT_MS / 1000} s`;
  const cuts = [...state.cuts, { a, b, untilMs: nowMs + CUT_MS }];
  return stay({ ...state, cuts, suspect: null }, say('warning', text));
}

function choose(state: RunState, answered: readonly Candidate[], words: string, nowMs: number): Decision {
  const { phase, spec, checkpoint, committed, cuts } = state;
  if (phase.kind !== 'surveying') return stay(state);
  const { cause } = phase;
  const decision = decideStart({
    candidates: answered,
    shards: spec.shards,
    checkpoint,
    committed,
    cuts,
    fromAgreed: cause.fromAgreed,
  });
  if (decision === null) return awaitWorkers(state, `${cause.text}${words}`, nowMs);
  const { world, spares, nextUpdate, stateFingerprint, source, from } = decision;
  const half = nextUpdate % 2 === 0 ? '' : ', second half';
  const spare = spares.length === 0 ? '' : `, ${namesOf(state, spares)} spare`;
  const reason = `${cause.text}${words}; ${plural(world.length)} from step ${stepOf(nextUpdate)}${half}, ${from}${spare}`;
  return stay(
    { ...state, phase: { kind: 'writing', cause, world, changed: null } },
    {
      ...{ kind: 'writeRing', world, spares, nextUpdate, stateFingerprint, source, cause, reason },
      trustedFrom: state.trustedFrom,
    },
  );
}

/** Nobody is left to train, for the reason `why`: whoever leaves may go, and the run waits, if it is to go on. */
export function awaitWorkers(state: RunState, why: string, nowMs: number): Decision {
  const leavers = [...state.workers.values()].filter(({ leaving }) => leaving !== null);
  const released = leavers.map(({ workerId }) => ({ kind: 'release' as const, workerId }));
  const waiting: RunState = {
    ...leaveNewest(state),
    phase: { kind: 'gathering', sinceMs: nowMs, firstReadyMs: null },
  };
  const stopped = state.goal < state.plan.steps;
  const what = `${why}: nobody is left to train`;
  const told = stay(
    waiting,
    ...released,
    say('warning', stopped ? what : `${what}, the run waits for a worker`),
  );
  return stopped ? andThen(told, endWithoutWorkers) : told;
}

export const endWithoutWorkers = (state: RunState): Decision =>
  end(state, 'interrupted', INTERRUPTED, `stopped without a worker at work; ${keptWords(state)}`);

/** Nobody trains: surveys once those who are to begin are there. */
export function gather(state: RunState, nowMs: number): Decision {
  const { phase, plan } = state;
  if (phase.kind !== 'gathering') return stay(state);
  const { retry } = phase;
  if (retry !== undefined) return nowMs < retry.atMs ? stay(state) : openSurvey(state, retry.cause, nowMs);
  const ready = candidates(state);
  const known = new Set(reachable(state).map(({ workerId }) => workerId));
  const held = reachable(state).some(({ holdsState }) => holdsState);
  // Those that leave are asked as well before their state is given up, once.
  if (ready.length === 0 && !(held && state.epoch === null && state.surveys === 0))
    return stay({ ...state, phase: { ...phase, firstReadyMs: null } });
  const firstReadyMs = phase.firstReadyMs ?? nowMs;
  const again = held || state.epoch !== null;
  const complete = held
    ? state.recordedWorld.every((id) => known.has(id))
    : state.epoch === null && ready.length >= plan.expectedWorkers;
  const waited = again
    ? nowMs - firstReadyMs >= GATHER_AGAIN_MS
    : nowMs - phase.sinceMs >= plan.waitWorkersMs;
  if (!complete && !waited) return stay({ ...state, phase: { ...phase, firstReadyMs } });
  const text = again
    ? held && state.epoch === null
      ? 'a coordinator took the lead'
      : 'workers came back'
    : complete
      ? 'first world'
      : `only ${ready.length} of ${plan.expectedWorkers} workers came within ${plan.waitWorkersMs / 1000} s`;
  const kind = held && state.epoch === null ? 'coordinator' : 'first';
  return openSurvey(state, { kind, text, atMs: nowMs, fromAgreed: false }, nowMs);
}
