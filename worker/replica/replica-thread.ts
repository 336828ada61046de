import { parentPort, workerData } from 'node:worker_threads';
import {
  OperationalError,
  decodeAssignment,
  invariant,
  messageOf,
  type DownMessage,
  type RunSpec,
} from '../../proto/index.js';
import { plannedFaults } from '../../proto/runtime/fault-injection.js';
import { createExactEngine, ENGINE_NAMES } from '../engine/index.js';
import { KERNELS_VERSION, allocationBytes, loadKernels } from '../kernels/index.js';
import {
  ADDER_SCRATCH_BYTES,
  REFUSAL_REASONS,
  RingServer,
  fetchState,
  kernelAdder,
  openRing,
  serveState,
  type Adder,
  type HeldState,
  type Ring,
} from '../ring/index.js';
import { AssignmentInbox } from './assignment-inbox.js';
import { CheckpointRequests } from './checkpoint-requests.js';
import { finishedGenerator } from './finished-generator.js';
import { PHASES, PROGRESS, type FromReplica, type PhaseName, type ToReplica } from './port.js';
import type { ReplicaThreadData } from './replica-host.js';
import { ReplicaState } from './replica-state.js';
import { Replica } from './replica.js';
import { Reporter } from './reporter.js';
import { SampleLog } from './sample-log.js';
import { MAX_LOG_BYTES } from './row-log.js';
import { stateLayout } from './state-layout.js';
import { UpdatePace } from './update-pace.js';
import { UpdateBuffers } from './update-buffers.js';
import { UpdateStep } from './update-step.js';

/** For all members of a ring epoch to be there: one of them may still be taking over its state. */
const RING_OPEN_MS = 15_000;
/** For a state to come, and for its next bytes: a peer that is stopped is given up soon. */
const STATE_MS = 60_000;
const STATE_SILENCE_MS = 1_500;
const BEAT_EVERY_MS = 100;

type Start = DownMessage<'start'>;

invariant(parentPort !== null, 'the replica runs in a thread of its own');
const port = parentPort;
const {
  progress,
  ringHost,
  ringPort,
  ringTls,
  workerId,
  name: workerName,
  engineThreads,
} = workerData as ReplicaThreadData;
const shared = new Int32Array(progress);
const post = (message: FromReplica, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);
const nowMs = (): number => performance.now();

function onProgress(ringEpoch: number, nextUpdate: number | null, phase: PhaseName): void {
  Atomics.store(shared, PROGRESS.ringEpoch, ringEpoch);
  Atomics.store(shared, PROGRESS.nextUpdate, nextUpdate === null ? 0 : nextUpdate + 1);
  onPhase(phase);
}

function onPhase(phase: PhaseName): void {
  Atomics.store(shared, PROGRESS.phase, PHASES.indexOf(phase));
  Atomics.add(shared, PROGRESS.beat, 1);
}

setInterval(() => Atomics.add(shared, PROGRESS.beat, 1), BEAT_EVERY_MS);
const isOffline = (): boolean => Atomics.load(shared, PROGRESS.offline) !== 0;

const fault = plannedFaults(process.env, workerName);
const checkpoints = new CheckpointRequests((object, sha256) => post({ kind: 'fetch', object, sha256 }));

/** Brings engine, kernels and memory up for a run. */
async function prepare(
  server: RingServer,
  { runId, spec: draft, device }: ToReplica & { kind: 'prepare' },
): Promise<Replica> {
  const name = ENGINE_NAMES.find((known) => known === draft.engine);
  if (name === undefined)
    throw new OperationalError('engine-unavailable', `the run's engine ${draft.engine} is not known here`);
  const { model, shards, shardBatch } = draft;
  const layout = stateLayout(draft);
  const memoryBytes =
    allocationBytes(layout.bytes) + UpdateBuffers.bytes(draft) + allocationBytes(ADDER_SCRATCH_BYTES);
  const kernels = await loadKernels({ memoryBytes });
  const state = new ReplicaState(layout, kernels);
  const buffers = new UpdateBuffers(kernels, draft);
  const adder: Adder = kernelAdder(kernels);
  // Shards that one worker may have to compute in one step: all of them, when it is the last one left.
  const engineOptions = {
    ...{ model, shardBatch, slots: shards, parameters: state.parameters },
    realTarget: draft.recipe.realTarget,
    ...(device === null ? {} : { device }),
  };
  const { engine, fingerprint, threads, firstShardMs } = await createExactEngine(
    name,
    engineOptions,
    engineThreads,
    [`kernels ${KERNELS_VERSION}`],
  );
  const spec: RunSpec = { ...draft, engineFingerprint: fingerprint };
  const reporter = new Reporter(nowMs());
  const updateStep = new UpdateStep({
    spec,
    engine,
    kernels,
    state,
    buffers,
    reporter,
    nowMs,
    onPhase,
    fault,
  });
  const pace = new UpdatePace((shards * firstShardMs) / 2);
  const inbox = new AssignmentInbox({ shards, shardBatch, imageSize: model.discriminator.inputSize });
  const rankOf = ({ members }: Start, id: string): number => {
    const rank = members.findIndex((member) => member.workerId === id);
    return rank < 0 ? members.length : rank; // a source that is no member has the rank after the last
  };
  const open = (start: Start, signal: AbortSignal, onFailure: () => void): Promise<Ring> =>
    openRing({
      server,
      runId,
      ringEpoch: start.ringEpoch,
      secret: start.secret,
      rank: rankOf(start, workerId),
      members: start.members,
      openMs: RING_OPEN_MS,
      silenceMs: pace.silenceMs(),
      suspended: isOffline,
      onFailure,
      ...(fault === undefined ? {} : { onSegment: (phase, update) => fault(`in-${phase}`, update) }),
      adder,
      signal,
    });
  const fetch = (start: Start, signal: AbortSignal) => {
    invariant(start.source.kind === 'peer', 'a state is fetched from a peer');
    const { peer } = start.source;
    return fetchState({
      runId,
      ringEpoch: start.ringEpoch,
      secret: start.secret,
      fromRank: rankOf(start, workerId),
      toRank: rankOf(start, peer.workerId),
      peer,
      stateBytes: layout.bytes,
      maxRowsBytes: MAX_LOG_BYTES + 8,
      silenceMs: STATE_SILENCE_MS,
      deadlineMs: STATE_MS,
      refusals: server.refusals,
      tls: server.tls,
      signal,
      onProgress: () => fault?.('in-state-transfer', start.nextUpdate),
    });
  };
  const serve = (start: Start, held: HeldState) => {
    const { ringEpoch, secret } = start;
    const toRank = rankOf(start, workerId);
    const fromRanks = start.members.map((_, rank) => rank).filter((rank) => rank !== toRank);
    const onSent = (): void => fault?.('in-state-transfer', start.nextUpdate);
    return serveState(server, { runId, ringEpoch, secret, toRank, fromRanks }, held, {
      silenceMs: STATE_SILENCE_MS,
      onSent,
    });
  };
  const replica = new Replica({
    workerId,
    spec,
    state,
    updateStep,
    inbox,
    reporter,
    samples: new SampleLog(),
    pace,
    finishedGenerator: () => finishedGenerator(spec, state, engine),
    generate: (noise, generator) => engine.generate(noise, generator),
    openRing: open,
    fetchCheckpoint: (object, sha256, signal) => checkpoints.fetch(object, sha256, signal),
    fetchState: fetch,
    serveState: serve,
    fault,
    cutLinks: () => server.dropConnections(),
    post: (message) => post(message, ownMemory(message)),
    onProgress,
    nowMs,
  });
  post({
    kind: 'ready',
    engine: name,
    engineVersion: engine.version,
    engineThreads: threads,
    engineFingerprint: fingerprint,
    firstShardMs,
  });
  return replica;
}

/** What was copied for a message alone changes hands with it. */
function ownMemory(message: FromReplica): ArrayBuffer[] {
  if (message.kind === 'state') return [message.bytes.buffer as ArrayBuffer];
  if (message.kind !== 'toExport') return [];
  const { state, parameters, statistics } = message;
  return [state, parameters, statistics].map(({ buffer }) => buffer as ArrayBuffer);
}

function fatal(error: unknown): void {
  const expected = error instanceof OperationalError;
  const message = expected ? error.message : ((error as Error).stack ?? messageOf(error));
  post({ kind: 'fatal', code: expected ? error.code : 'run-failed', message: message.slice(0, 4_000) });
}

/** What is not kept is counted by the control thread; what is missing then is asked for again. */
function takeAssignment(frame: Uint8Array, replica: Replica): void {
  try {
    const refused = replica.assign(decodeAssignment(frame));
    if (refused !== null) post({ kind: 'refusedAssignment', reason: refused });
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    post({ kind: 'refusedAssignment', reason: 'malformed' });
  }
}

async function main(): Promise<void> {
  const server = await RingServer.listen({
    host: ringHost,
    port: ringPort,
    tls: ringTls,
    onRefused: (reason) => Atomics.add(shared, PROGRESS.refusals + REFUSAL_REASONS.indexOf(reason), 1),
  });
  post({ kind: 'listening', port: server.port });
  let replica: Replica | null = null;
  // Surveys and starts are followed one after the other, in the order in which they came.
  let orders = Promise.resolve();
  const order = (work: (replica: Replica) => Promise<void>): void => {
    const target = replica;
    if (target !== null) orders = orders.then(() => work(target)).catch(fatal);
  };
  port.on('message', (message: ToReplica) => {
    switch (message.kind) {
      case 'prepare':
        orders = orders.then(async () => void (replica = await prepare(server, message))).catch(fatal);
        return;
      case 'survey':
        return order((target) => target.survey(message.term, message.survey, message.ringEpoch));
      case 'start':
        return order((target) => target.start(message.start));
      case 'fetched':
      case 'notFetched':
        return checkpoints.answer(message);
      case 'assignment':
        if (replica !== null) takeAssignment(message.frame, replica);
        return;
      case 'checkpoint':
      case 'export':
      case 'settle':
        return replica?.addTask(message);
    }
  });
}

main().catch(fatal);
