import { limits, rankOfShard, stepOf, type UpMessage, type UpdateRow } from '../proto/index.js';
import { onAgreed, onPassed, tryCommit } from './checkpointing.js';
import { allLeave, withWorker } from './crew.js';
import { fail, say, stay, andThen } from './decision.js';
import { beginToFinish, settle } from './finishing.js';
import { onNewestAgreed, onNewestPassed } from './newest-export.js';
import { measurePace } from './pace.js';
import { compareFingerprints } from './replica-guard.js';
import { isComplete, type Decision, type RingEpoch, type RunCommand, type RunState } from './run-state.js';
import { distrust, isBroken, openSurvey } from './world-change.js';

/** Ring epochs in a row in which no update was applied that end the run: the same update fails everywhere. */
const MAX_FRUITLESS = 12;

/** A ring epoch's record is written: its world starts, unless something has changed meanwhile. */
export function onRingWritten(
  state: RunState,
  written: Omit<RingEpoch, 'started' | 'sentAtMs' | 'reached'>,
  nowMs: number,
): Decision {
  const { phase } = state;
  if (phase.kind !== 'writing') return stay(state);
  const { nextUpdate, source, world } = written;
  const epoch: RingEpoch = { ...written, started: new Set(), sentAtMs: nowMs, reached: nextUpdate };
  const fruitless = state.fruitless + 1;
  const rewound = source.kind !== 'peer' && nextUpdate < state.committed;
  const next: RunState = {
    ...state,
    epoch,
    phase: { kind: 'training' },
    recordedEpoch: epoch.ringEpoch,
    recordedWorld: world,
    committed: rewound ? nextUpdate : state.committed,
    assigned: stepOf(nextUpdate),
    // Who asked to stop did not know how far the workers are.
    goal: Math.max(state.goal, Math.ceil(nextUpdate / 2)),
    sampledSteps: Math.min(state.sampledSteps, stepOf(nextUpdate)),
    fingerprints: new Map(),
    settled: new Set(),
    fruitless,
    unwritten: 0,
    pace: { ...state.pace, sinceMs: nowMs },
  };
  if (fruitless > MAX_FRUITLESS) {
    const why = `update ${nextUpdate} (step ${stepOf(nextUpdate)}) failed in ${MAX_FRUITLESS} ring epochs in a row, at last: ${state.ownFault ?? epoch.cause.text}`;
    return fail(next, why);
  }
  const begun = stay(
    next,
    ...(rewound ? [{ kind: 'truncate' as const, update: nextUpdate }] : []),
    say(isBroken(epoch.cause) ? 'warning' : 'info', `ring epoch ${epoch.ringEpoch}: ${epoch.reason}`),
  );
  const { changed } = phase;
  if (changed !== null) return andThen(begun, (now) => openSurvey(now, changed, nowMs));
  const starts = startsFor(epoch, recipients(epoch));
  return andThen({ ...begun, commands: [...begun.commands, ...starts] }, goOn);
}

/** Members, and the one that hands its state over when it is none. */
function recipients({ world, source }: RingEpoch): readonly string[] {
  const peer = source.kind === 'peer' ? source.peer.workerId : undefined;
  return peer === undefined || world.includes(peer) ? world : [...world, peer];
}

const startsFor = (epoch: RingEpoch, ids: readonly string[]): RunCommand[] =>
  ids.filter((id) => !epoch.started.has(id)).map((workerId) => ({ kind: 'start', workerId }));

/** Starts again whoever has not acknowledged it. */
export function startAgain(state: RunState, afterMs: number, nowMs: number): Decision {
  const { epoch } = state;
  if (epoch === null || isComplete(epoch) || nowMs - epoch.sentAtMs < afterMs) return stay(state);
  return stay({ ...state, epoch: { ...epoch, sentAtMs: nowMs } }, ...startsFor(epoch, recipients(epoch)));
}

export function onStarted(state: RunState, message: UpMessage<'started'>, nowMs: number): Decision {
  const { epoch } = state;
  if (epoch === null || message.ringEpoch !== epoch.ringEpoch) return stay(state);
  const started = new Set(epoch.started).add(message.workerId);
  const next: RunState = { ...state, epoch: { ...epoch, started } };
  const first = !isComplete(epoch) && isComplete({ ...epoch, started });
  // Nobody needs those that leave any more.
  const leavers = [...state.workers.values()].filter(
    ({ workerId, leaving }) => leaving !== null && !epoch.world.includes(workerId),
  );
  const released = first
    ? stay(
        { ...next, pace: { ...next.pace, sinceMs: nowMs } },
        ...leavers.map(({ workerId }): RunCommand => ({ kind: 'release', workerId })),
      )
    : stay(next);
  const { nextUpdate: update, stateFingerprint: fingerprint } = message;
  return andThen(released, (now) => guard(now, message.workerId, [{ update, fingerprint }], nowMs));
}

/** Compares fingerprints. */
function guard(
  state: RunState,
  workerId: string,
  reported: readonly { readonly update: number; readonly fingerprint: string }[],
  nowMs: number,
): Decision {
  const { epoch } = state;
  if (epoch === null || !epoch.world.includes(workerId)) return stay(state);
  const outcome = compareFingerprints(state.fingerprints, epoch.world, workerId, reported);
  const next = { ...state, fingerprints: outcome.book };
  if (outcome.mismatch !== null) return distrust(next, outcome.mismatch, nowMs);
  return andThen(onAgreed(next, outcome.agreed), (now) => onNewestAgreed(now, outcome.agreed));
}

const isUnderWay = ({ phase }: RunState): boolean => phase.kind === 'training' || phase.kind === 'finishing';

export function onReport(state: RunState, report: UpMessage<'report'>, nowMs: number): Decision {
  const { epoch } = state;
  const worker = state.workers.get(report.workerId);
  if (epoch === null || worker === undefined || report.ringEpoch !== epoch.ringEpoch) return stay(state);
  const counted = withWorker(state, { ...worker, totals: report.totals });
  // What was applied before everybody left is applied, also when it is told during the survey.
  const committed = andThen(bearFruit(counted, epoch, report, nowMs), (next) =>
    commit(next, report.rows, nowMs),
  );
  return andThen(committed, (next) =>
    isUnderWay(next)
      ? andThen(guard(next, report.workerId, report.fingerprints, nowMs), (guarded) =>
          isUnderWay(guarded)
            ? andThen(
                andThen(
                  andThen(onPassed(guarded, report, nowMs), (next) => onNewestPassed(next, report, nowMs)),
                  (next) => andThen(tryCommit(next), (now) => settle(now, report, nowMs)),
                ),
                goOn,
              )
            : stay(guarded),
        )
      : stay(next),
  );
}

/** The same whoever made it: what comes twice is only confirmed. */
export function onSample(state: RunState, { ringEpoch, step, images }: UpMessage<'sample'>): Decision {
  if (ringEpoch !== state.epoch?.ringEpoch || !isUnderWay(state)) return stay(state);
  const sampledSteps = Math.max(state.sampledSteps, step);
  return stay({ ...state, sampledSteps }, { kind: 'keepSample', step, images });
}

/** Notes how far the ring epoch has come. With its first update, whatever broke the one before is overcome. */
function bearFruit(state: RunState, epoch: RingEpoch, report: UpMessage<'report'>, nowMs: number): Decision {
  const { nextUpdate: reached } = report;
  if (reached <= epoch.reached) return stay(state);
  const { pace, committed } = state;
  const further: RunState = {
    ...state,
    epoch: { ...epoch, reached },
    // What is computed once more commits nothing, but is no standstill.
    pace: reached <= committed ? { ...pace, sinceMs: nowMs } : pace,
  };
  if (epoch.reached > epoch.nextUpdate) return stay(further);
  const { fault } = further;
  const next = {
    ...further,
    fruitless: 0,
    suspect: null,
    fault: null,
    ownFault: null,
  };
  if (fault === null) return stay(next);
  const seconds = ((nowMs - fault.atMs) / 1000).toFixed(2);
  return stay(next, say('info', `${fault.text}: ${seconds} s to the next commit`));
}

/**
 * Commits the rows that follow on what is committed. An applied update is final with the first report of it: all
 * replicas that apply it, now or after a fault, compute the same bits.
 */
function commit(state: RunState, rows: readonly UpdateRow[], nowMs: number): Decision {
  const fresh: UpdateRow[] = [];
  for (const row of rows) if (row.update === state.committed + fresh.length) fresh.push(row);
  if (fresh.length === 0) return stay(state);
  const committed = stay(
    {
      ...state,
      committed: state.committed + fresh.length,
      pace: measurePace(state.pace, fresh.length, nowMs),
    },
    { kind: 'append', rows: fresh },
  );
  const skipped = fresh.find((row) => row.skippedSteps >= limits.maxSkippedSteps);
  if (skipped === undefined) return committed;
  const why = `gradients were not finite in ${skipped.skippedSteps} steps in a row, up to step ${stepOf(skipped.update)}`;
  return andThen(committed, (next) => fail(next, why));
}

/** Assigns as far ahead as the plan allows; once the goal is committed, begins to finish. */
export function goOn(state: RunState): Decision {
  const { epoch, phase, plan } = state;
  if (phase.kind !== 'training' || epoch === null) return stay(state);
  // Not of what is committed: rows may still have to be told again, or updates to be computed again.
  const ahead = allLeave(state) ? Math.ceil(epoch.reached / 2) : stepOf(epoch.reached) + plan.prefetch;
  const until = Math.min(state.goal, ahead);
  const commands: RunCommand[] = [];
  for (let step = state.assigned; step < until; step++) commands.push(...assignStep(state, epoch, step));
  const next = { ...state, assigned: Math.max(state.assigned, until) };
  const assigned = stay(next, ...commands);
  return state.committed < 2 * state.goal ? assigned : andThen(assigned, beginToFinish);
}

function assignStep(state: RunState, epoch: RingEpoch, step: number, only?: readonly number[]): RunCommand[] {
  const { shards } = state.spec;
  const wanted = only ?? Array.from({ length: shards }, (_, shard) => shard);
  return wanted.flatMap((shard): RunCommand[] => {
    const workerId = epoch.world[rankOfShard(step, shard, shards, epoch.world.length)];
    return workerId === undefined || shard >= shards ? [] : [{ kind: 'assign', workerId, step, shard }];
  });
}

export function onNeed(state: RunState, need: UpMessage<'need'>): Decision {
  const { epoch } = state;
  if (epoch === null || need.ringEpoch !== epoch.ringEpoch || need.step >= state.assigned) return stay(state);
  if (!isUnderWay(state)) return stay(state);
  const commands = assignStep(state, epoch, need.step, need.shards);
  return stay(
    state,
    ...commands.filter((command) => command.kind === 'assign' && command.workerId === need.workerId),
  );
}
