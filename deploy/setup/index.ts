/** Makes the credentials of a cluster's roles, and the part of the NATS server's configuration that says what each may do. */
export { setup, type SetupOptions } from './setup.js';
