/** Finds, fetches, starts and ends the nats-server of a cluster on this machine. */
export { findNatsServer, type FindOptions, type FoundNatsServer } from './find.js';
export type { NatsServerSource } from './source.js';
export { startNatsServer, type RunningNatsServer, type StartOptions } from './start.js';
