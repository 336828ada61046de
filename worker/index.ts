export {
  ENGINE_NAMES,
  NEVER_ON_HARDWARE,
  chooseEngine,
  probeEngines,
  type EngineName,
  type EngineProbe,
} from './engine/index.js';
export { requireWasmSimd } from './kernels/index.js';
export { runWorker, type WorkerOptions } from './main.js';
