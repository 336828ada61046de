export { runCoordinator, type CoordinatorOptions } from './main.js';
export type { Ended } from './coordinator.js';
export { ResultFolder, runFileSchema, type RunFile } from './result-folder.js';
export {
  DEFAULT_LENGTH,
  SPEC_DEFAULTS,
  checkShape,
  compareWithRecord,
  draftSpec,
  stepsOf,
  type Length,
  type SpecRequest,
} from './open-run.js';
export { isMnistCached, openDataset } from './dataset/index.js';
export { newRunId } from './run-id.js';
export { readLead, RunStore } from './run-store.js';
