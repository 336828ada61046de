export { ProcessEngine } from './process-engine.js';
export type { ProcessEngineHost } from './process-engine.js';
