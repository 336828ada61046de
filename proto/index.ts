/** What coordinator and worker must agree on. The runtime that both sides share is in ./runtime. */
export * from './assignment.js';
export * from './errors.js';
export * from './limits.js';
export * from './messages.js';
export * from './model.js';
export * from './roles.js';
export * from './run-spec.js';
export * from './sample-schedule.js';
export * from './sharding.js';
export * from './subjects.js';
export * from './update.js';
