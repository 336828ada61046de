/** The ring: sums int32 vectors over the workers of a ring epoch, and hands a replica's state on, peer to peer. */
export { ADDER_SCRATCH_BYTES, kernelAdder, plainAdder, type Adder, type AddKernel } from './adder.js';
export type { Admission } from './admission.js';
export { systemClock, type Clock } from './clock.js';
export { openRing, type OpenRingOptions } from './open-ring.js';
export { REFUSAL_REASONS, type RefusalReason, type Refusals } from './refusals.js';
export type { RingTls } from './ring-tls.js';
export { RingServer, type RingServerOptions } from './ring-server.js';
export {
  describeProgress,
  RingError,
  type Neighbour,
  type ReduceOptions,
  type Ring,
  type RingProgress,
} from './ring.js';
export type { RingPhase } from './schedule.js';
export type { FetchedState } from './state-receiver.js';
export type { HeldState } from './state-sender.js';
export { fetchState, serveState, type FetchStateOptions, type ServeStateOptions } from './state-transfer.js';
