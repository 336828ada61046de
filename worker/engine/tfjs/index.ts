export { TfjsEngine } from './tfjs-engine.js';
export type { TfjsBackend } from './backend.js';
