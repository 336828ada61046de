import {
  NO_TOTALS,
  PROTOCOL_VERSION,
  type HeldDevice,
  type RunSpec,
  type UpMessage,
} from '../proto/index.js';
import { end, say, stay, andThen } from './decision.js';
import { keepWaiting, waitNoMore } from './card-queue.js';
import { grantWords, keepDevice, leaseDevice, type Lease } from './gpu-leases.js';
import { expectPace } from './pace.js';
import type { Decision, RefusalCode, RunState, WorkerRecord } from './run-state.js';
import { addStrike, keepOutMs, strikesOf } from './strikes.js';

const isFrozen = (spec: RunState['spec']): spec is RunSpec => 'engineFingerprint' in spec;

export function withWorker(state: RunState, worker: WorkerRecord): RunState {
  return { ...state, workers: new Map(state.workers).set(worker.workerId, worker) };
}

export function withoutWorker(state: RunState, workerId: string): RunState {
  const workers = new Map(state.workers);
  workers.delete(workerId);
  return { ...state, workers };
}

/** What users call a worker. */
export const nameOf = (state: RunState, workerId: string): string =>
  state.workers.get(workerId)?.name ?? workerId;

export const namesOf = (state: RunState, ids: readonly string[]): string =>
  ids.map((id) => nameOf(state, id)).join(', ');

/** Workers that can be asked where they stand: also those that are to leave. */
export const reachable = (state: RunState): WorkerRecord[] =>
  [...state.workers.values()].filter((worker) => worker.ready && worker.excluded === null);

/** Workers that can take a place in the world, longest known first. */
export const candidates = (state: RunState): WorkerRecord[] =>
  reachable(state).filter((worker) => worker.leaving === null);

/** Nobody stays, in the world or beside it: what is left to do is to keep the state that they hold. */
export const allLeave = (state: RunState): boolean =>
  candidates(state).length === 0 &&
  (state.epoch?.world.every((id) => (state.workers.get(id)?.leaving ?? null) !== null) ?? false);

/** Notes that a worker was heard; one that was found silent is heard again only by a sign of its replica's life. */
export function hear(state: RunState, workerId: string, nowMs: number, replicaLives: boolean): RunState {
  const worker = state.workers.get(workerId);
  if (worker === undefined) return state;
  const { excluded } = worker;
  const heard = excluded === null ? null : { ...excluded, heard: excluded.heard || replicaLives };
  const lastSeenMs = replicaLives ? nowMs : worker.lastSeenMs;
  return withWorker(state, { ...worker, lastSeenMs, excluded: heard });
}

/** Counts a failure of the worker. */
export function strike(state: RunState, workerId: string, nowMs: number): RunState {
  return { ...state, strikes: addStrike(state.strikes, nameOf(state, workerId), nowMs) };
}

/** How long a worker of this name is kept out from now on, with words for it. */
function penalty(state: RunState, name: string, nowMs: number): { untilMs: number; words: string } {
  const failures = state.strikes.get(name) ?? [];
  const untilMs = (failures.at(-1) ?? -Infinity) + keepOutMs(state.strikes, name);
  const waitMs = Math.max(0, untilMs - nowMs);
  const words =
    waitMs === 0
      ? ''
      : `${name} failed ${strikesOf(state.strikes, name)} times lately and is kept out for ${(waitMs / 1000).toFixed(1)} s`;
  return { untilMs: nowMs + waitMs, words };
}

/**
 * Takes a worker out of the candidates, until it is heard again and has been kept out for as long as its failures ask.
 * @param heard it is well enough to be heard already
 */
export function exclude(state: RunState, workerId: string, nowMs: number, heard: boolean): Decision {
  const worker = state.workers.get(workerId);
  if (worker === undefined || worker.excluded !== null) return stay(state);
  const struck = strike(state, workerId, nowMs);
  const { untilMs, words } = penalty(struck, worker.name, nowMs);
  const next = withWorker(struck, { ...worker, excluded: { untilMs, heard } });
  return words === '' ? stay(next) : stay(next, say('warning', words));
}

/** Lets excluded workers that were heard again back in, as newcomers, once their time has come. */
export function readmit(state: RunState, nowMs: number, atOnce: boolean): RunState {
  let next = state;
  for (const worker of state.workers.values()) {
    if (worker.excluded?.heard !== true) continue;
    if (!atOnce && nowMs < worker.excluded.untilMs) continue;
    const back = { ...worker, excluded: null, lastSeenMs: nowMs, readyMs: nowMs };
    next = withWorker(withoutWorker(next, worker.workerId), back);
  }
  return next;
}

function turnAway(
  state: RunState,
  { workerId, name }: Pick<WorkerRecord, 'workerId' | 'name'>,
  code: RefusalCode,
  message: string,
): Decision {
  return stay(
    state,
    { kind: 'refuse', workerId, code, message },
    say('warning', `${name} was refused: ${message}`),
  );
}

function refuse(state: RunState, workerId: string, code: RefusalCode, message: string): Decision {
  const refused = turnAway(state, { workerId, name: nameOf(state, workerId) }, code, message);
  return state.plan.refusalEndsRun && state.epoch === null
    ? andThen(refused, (next) => end(next, 'failed', 2, message))
    : refused;
}

/** The two could not be neighbours. */
function mixtureInWords({ name, ring }: UpMessage<'hello'>, other: WorkerRecord): string {
  const [expected, found] = ring.tls ? ['without', 'with'] : ['with', 'without'];
  return (
    `a ring ${expected} TLS was expected, as ${other.name} has it, ${name} came ${found}: give all workers ` +
    '--tls-ca-file, --ring-cert-file and --ring-key-file, or none the latter two'
  );
}

export function onHello(state: RunState, hello: UpMessage<'hello'>, nowMs: number): Decision {
  const { workerId } = hello;
  if (hello.protocol !== PROTOCOL_VERSION) {
    const message = `protocol ${PROTOCOL_VERSION} was expected, the worker speaks ${hello.protocol}: run the same version everywhere`;
    return refuse(state, workerId, 'protocol', message);
  }
  const name = state.spec.engine === 'auto' ? hello.engine : state.spec.engine;
  const probe = hello.engines.find((engine) => engine.name === name);
  if (probe?.usable !== true) {
    const why = probe === undefined ? 'the worker does not know it' : probe.reason;
    const message = `the run's engine ${name} was expected on ${hello.hostname}: ${why}`;
    return refuse(state, workerId, 'usage', message);
  }
  const other = [...state.workers.values()].find(
    (worker) => worker.excluded === null && worker.workerId !== workerId && worker.ringTls !== hello.ring.tls,
  );
  if (other !== undefined) return refuse(state, workerId, 'usage', mixtureInWords(hello, other));
  const { device } = hello;
  const lease = leaseDevice(state, { workerId, devices: probe.devices, device }, nowMs);
  switch (lease.kind) {
    case 'later':
      return stay(state);
    case 'wait':
      return keepWaiting(state, hello, lease.message, nowMs);
    case 'lost':
      return turnAway(state, hello, 'device', lease.message);
    case 'none':
      return welcome(state, hello, name, null, nowMs);
    case 'granted': {
      const { takenFrom } = lease;
      const without = takenFrom === null ? state : withoutWorker(state, takenFrom.workerId);
      const isNew = state.workers.get(workerId)?.device?.uuid !== lease.device.uuid;
      const words = isNew ? grantWords(hello.name, lease, nowMs) : [];
      const welcomed = welcome(without, hello, name, lease.device, nowMs);
      return stay(welcomed.state, ...words, ...welcomed.commands);
    }
  }
}

function welcome(
  state: RunState,
  hello: UpMessage<'hello'>,
  engine: string,
  device: HeldDevice | null,
  nowMs: number,
): Decision {
  const { workerId } = hello;
  const spec = { ...state.spec, engine };
  const known = state.workers.get(workerId);
  const fresh: WorkerRecord = {
    workerId,
    name: hello.name,
    hostname: hello.hostname,
    pid: hello.pid,
    ring: { host: hello.ring.host, port: hello.ring.port },
    ringTls: hello.ring.tls,
    device,
    ready: false,
    readyMs: nowMs,
    holdsState: false,
    leaving: null,
    excluded: null,
    lastSeenMs: nowMs,
    failedIn: 0,
    totals: NO_TOTALS,
  };
  const { waiting } = waitNoMore(state, workerId);
  const next = withWorker(
    { ...state, spec, waiting },
    known === undefined ? fresh : { ...known, ring: fresh.ring, device },
  );
  return stay(next, { kind: 'welcome', workerId, spec, device: device?.uuid ?? null });
}

/**
 * A worker that was welcomed by a coordinator before, unheard by this one, may be on another card than this one leased to
 * it: what it says is what is.
 */
function settleDevice(state: RunState, worker: WorkerRecord, ready: UpMessage<'ready'>): Decision {
  const { device } = ready;
  const { workerId } = worker;
  if (device?.uuid === worker.device?.uuid) return stay(state);
  const lease: Lease = device === null ? { kind: 'none' } : keepDevice(state, workerId, device);
  if (lease.kind === 'lost') return turnAway(withoutWorker(state, workerId), worker, 'device', lease.message);
  const takenFrom = lease.kind === 'granted' ? lease.takenFrom : null;
  const without = takenFrom === null ? state : withoutWorker(state, takenFrom.workerId);
  return stay(withWorker(without, { ...worker, device }));
}

/** A worker's engine is up. The first fingerprint freezes the RunSpec; another one is refused. */
export function onReady(state: RunState, ready: UpMessage<'ready'>, nowMs: number): Decision {
  const worker = state.workers.get(ready.workerId);
  if (worker === undefined || worker.ready || ready.runId !== state.plan.runId) return stay(state);
  return andThen(settleDevice(state, worker, ready), (next) => admit(next, ready, nowMs));
}

function admit(state: RunState, ready: UpMessage<'ready'>, nowMs: number): Decision {
  const worker = state.workers.get(ready.workerId);
  if (worker === undefined) return stay(state);
  if (isFrozen(state.spec) && state.spec.engineFingerprint !== ready.engineFingerprint) {
    const message =
      `engine fingerprint ${state.spec.engineFingerprint.slice(0, 12)} was expected, ${worker.name} has ` +
      `${ready.engineFingerprint.slice(0, 12)} (${ready.engine} ${ready.engineVersion}): another processor or version ` +
      'computes other bits, so it cannot take part in this run';
    return refuse(state, ready.workerId, 'fingerprint-mismatch', message);
  }
  const spec: RunSpec = { ...state.spec, engineFingerprint: ready.engineFingerprint };
  const { untilMs, words } = penalty(state, worker.name, nowMs);
  // One worker may have to compute all shards.
  const pace = expectPace(state.pace, spec.shards * ready.firstShardMs);
  const next = withWorker(
    { ...state, spec, pace },
    {
      ...worker,
      ready: true,
      readyMs: nowMs,
      holdsState: ready.nextUpdate !== null,
      lastSeenMs: nowMs,
      excluded: words === '' ? null : { untilMs, heard: true },
    },
  );
  return words === '' ? stay(next) : stay(next, say('warning', words));
}
