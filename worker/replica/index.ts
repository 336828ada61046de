export type { FromReplica } from './port.js';
export { ReplicaHost } from './replica-host.js';
