import type { Engine, EngineName, EngineOptions } from './engine.js';
import { createEngineInThread } from './in-thread.js';
import { CUDA_ENVIRONMENT } from './nvidia/index.js';

/** libtensorflow: no more of the card than it needs, and operations whose bits repeat. */
const TENSORFLOW_ENVIRONMENT = {
  ...CUDA_ENVIRONMENT,
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  TF_DETERMINISTIC_OPS: '1',
} as const;

/** Engines that have a process of their own, and what its environment must say before their libraries are loaded. */
const PROCESS_ENVIRONMENT: Readonly<Partial<Record<EngineName, Readonly<Record<string, string>>>>> = {
  'onnx-cuda': CUDA_ENVIRONMENT,
  'tfjs-tensorflow': TENSORFLOW_ENVIRONMENT,
};

/**
 * Creates an engine. It computes on the calling thread and blocks its event loop meanwhile, so it belongs into a worker
 * thread. Engines on NVIDIA GPUs get a process of their own: CUDA reads its environment, and with it the one card that
 * it may see, when it is loaded, and libtensorflow's binding is reported to crash in threads.
 * Throws OperationalError('engine-unavailable'), in one line, where the engine is not to be had.
 */
export async function createEngine(name: EngineName, options: EngineOptions): Promise<Engine> {
  const environment = PROCESS_ENVIRONMENT[name];
  if (environment === undefined) return createEngineInThread(name, options);
  const { ProcessEngine } = await import('./process/index.js');
  const { device } = options;
  const card = device === undefined ? {} : { CUDA_VISIBLE_DEVICES: device };
  return ProcessEngine.create(name, options, { environment: { ...environment, ...card } });
}
