import { parentPort, workerData } from 'node:worker_threads';
import {
  OperationalError,
  decodeAssignment,
  invariant,
  messageOf,
  type DownMessage,
  type RunSpec,
} from '../../proto/index.js';
import { createExactEngine, ENGINE_NAMES } from '../engine/index.js';
import { KERNELS_VERSION, allocationBytes, loadKernels } from '../kernels/index.js';
import { ADDER_SCRATCH_BYTES, RingServer, kernelAdder, openRing, type Adder } from '../ring/index.js';
import { AssignmentInbox } from './assignment-inbox.js';
import { PHASES, PROGRESS, type FromReplica, type PhaseName, type ToReplica } from './port.js';
import type { ReplicaThreadData } from './replica-host.js';
import { ReplicaState } from './replica-state.js';
import { Replica } from './replica.js';
import { Reporter } from './reporter.js';
import { stateLayout } from './state-layout.js';
import { UpdateBuffers } from './update-buffers.js';
import { UpdateStep } from './update-step.js';

/** For all members of a ring epoch to be there: one of them may still be reading a checkpoint. */
const RING_OPEN_MS = 15_000;
/** A neighbour may be computing many shards: a frozen process is noticed by its heartbeats long before. */
const RING_SILENCE_MS = 60_000;

invariant(parentPort !== null, 'the replica runs in a thread of its own');
const port = parentPort;
const { progress, ringHost, ringPort, workerId, engineThreads } = workerData as ReplicaThreadData;
const shared = new Int32Array(progress);
const post = (message: FromReplica, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);
const nowMs = (): number => performance.now();

function onProgress(ringEpoch: number, nextUpdate: number, phase: PhaseName): void {
  Atomics.store(shared, PROGRESS.ringEpoch, ringEpoch);
  Atomics.store(shared, PROGRESS.nextUpdate, nextUpdate);
  Atomics.store(shared, PROGRESS.phase, PHASES.indexOf(phase));
}

function onPhase(phase: PhaseName): void {
  Atomics.store(shared, PROGRESS.phase, PHASES.indexOf(phase));
}

const inbox = new AssignmentInbox();

/** Brings engine, kernels and memory up for a run. */
async function prepare(
  server: RingServer,
  { runId, spec: draft }: ToReplica & { kind: 'prepare' },
): Promise<Replica> {
  const name = ENGINE_NAMES.find((known) => known === draft.engine);
  if (name === undefined)
    throw new OperationalError('engine-unavailable', `the run's engine ${draft.engine} is not known here`);
  const { model, shards, shardBatch } = draft;
  const layout = stateLayout(model);
  const memoryBytes =
    allocationBytes(layout.bytes) + UpdateBuffers.bytes(draft) + allocationBytes(ADDER_SCRATCH_BYTES);
  const kernels = await loadKernels({ memoryBytes });
  const state = new ReplicaState(layout, kernels);
  const buffers = new UpdateBuffers(kernels, draft);
  const adder: Adder = kernelAdder(kernels);
  // Shards that one worker may have to compute in one step: all of them, when it is the last one left.
  const engineOptions = { model, shardBatch, slots: shards, parameters: state.parameters };
  const { engine, fingerprint, threads } = await createExactEngine(name, engineOptions, engineThreads, [
    `kernels ${KERNELS_VERSION}`,
  ]);
  const spec: RunSpec = { ...draft, engineFingerprint: fingerprint };
  const reporter = new Reporter(nowMs());
  const updateStep = new UpdateStep({ spec, engine, kernels, state, buffers, reporter, nowMs, onPhase });
  const open = (start: DownMessage<'start'>, signal: AbortSignal) =>
    openRing({
      server,
      runId,
      ringEpoch: start.ringEpoch,
      secret: start.secret,
      rank: start.members.findIndex((member) => member.workerId === workerId),
      members: start.members,
      openMs: RING_OPEN_MS,
      silenceMs: RING_SILENCE_MS,
      adder,
      signal,
    });
  const replica = new Replica({
    workerId,
    spec,
    state,
    updateStep,
    inbox,
    reporter,
    generate: (noise) => engine.generate(noise, state.statistics),
    openRing: open,
    post: (message) => post(message, message.kind === 'state' ? [message.bytes.buffer as ArrayBuffer] : []),
    onProgress,
    nowMs,
  });
  post({
    kind: 'ready',
    engine: name,
    engineVersion: engine.version,
    engineThreads: threads,
    engineFingerprint: fingerprint,
  });
  return replica;
}

function fatal(error: unknown): void {
  const expected = error instanceof OperationalError;
  const message = expected ? error.message : ((error as Error).stack ?? messageOf(error));
  post({ kind: 'fatal', code: expected ? error.code : 'run-failed', message: message.slice(0, 4_000) });
}

function takeAssignment(frame: Uint8Array, replica: Replica): void {
  try {
    inbox.put(decodeAssignment(frame));
  } catch (error) {
    // Not ours, or damaged: what is missing is asked for again.
    if (!(error instanceof OperationalError)) throw error;
    return;
  }
  replica.notify();
}

async function main(): Promise<void> {
  const server = await RingServer.listen({ host: ringHost, port: ringPort });
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
        return order((target) => target.survey(message.survey, message.ringEpoch));
      case 'start':
        return order((target) => target.start(message.start, message.state));
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
