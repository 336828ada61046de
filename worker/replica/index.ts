export { PHASES, type FromReplica, type PhaseDurations } from './port.js';
export { ReplicaHost, type ReplicaProgress } from './replica-host.js';
