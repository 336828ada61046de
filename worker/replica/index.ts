export type { FromReplica, NamedFile } from './port.js';
export { ReplicaHost } from './replica-host.js';
