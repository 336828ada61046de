export { chooseEngine } from './choose-engine.js';
export type { EngineChoice } from './choose-engine.js';
export { createExactEngine, type ExactEngine } from './exact-engine.js';
export { createEngine, ENGINE_ENVIRONMENT } from './create-engine.js';
export { ENGINE_NAMES } from './engine.js';
export type { Engine, EngineName, EngineOptions } from './engine.js';
export { engineFingerprint } from './fingerprint.js';
export { probeEngines } from './probe.js';
export type { EngineProbe } from './probe.js';
