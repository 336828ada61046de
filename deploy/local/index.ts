export { findCluster } from './cluster-file.js';
export { newestRun } from './newest-run.js';
export { scale } from './scale.js';
export { train } from './train.js';
export type { TrainOptions } from './train-options.js';
