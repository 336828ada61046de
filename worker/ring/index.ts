/** The ring: sums int32 vectors over the workers of a ring epoch, peer to peer. */
export { ADDER_SCRATCH_BYTES, kernelAdder, plainAdder, type Adder, type AddKernel } from './adder.js';
export { systemClock, type Clock } from './clock.js';
export { openRing, type OpenRingOptions } from './open-ring.js';
export { REFUSAL_REASONS, type RefusalReason } from './refusals.js';
export { RingServer, type RingServerOptions } from './ring-server.js';
export {
  describeProgress,
  RingError,
  type Neighbour,
  type ReduceOptions,
  type Ring,
  type RingProgress,
} from './ring.js';
