import { OperationalError } from '../../proto/index.js';
import type { Engine, EngineName, EngineOptions } from './engine.js';
import { createEngineInThread } from './in-thread.js';

/**
 * Environment of a process that computes on an NVIDIA GPU: CUDA's libraries read it when they are loaded, so it must be
 * there before the process's first engine. Matrix products stay in float32 instead of TensorFloat-32, whose 10 bits
 * would show in the gradients.
 */
export const ENGINE_ENVIRONMENT = { NVIDIA_TF32_OVERRIDE: '0' } as const;

/** libtensorflow: no more of the card than it needs, and operations whose bits repeat. */
const TENSORFLOW_ENVIRONMENT = {
  ...ENGINE_ENVIRONMENT,
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  TF_DETERMINISTIC_OPS: '1',
} as const;

/**
 * Creates an engine. It computes on the calling thread and blocks its event loop meanwhile, so it belongs into a worker
 * thread; only libtensorflow, whose binding is reported to crash in one, gets a process of its own.
 * Throws OperationalError('engine-unavailable'), in one line, where the engine is not to be had.
 */
export async function createEngine(name: EngineName, options: EngineOptions): Promise<Engine> {
  if (name === 'tfjs-tensorflow') {
    const { ProcessEngine } = await import('./process/index.js');
    return ProcessEngine.create(name, options, { environment: TENSORFLOW_ENVIRONMENT });
  }
  if (name === 'onnx-cuda') requireEnvironment(name);
  return createEngineInThread(name, options);
}

function requireEnvironment(name: EngineName): void {
  for (const [variable, value] of Object.entries(ENGINE_ENVIRONMENT)) {
    if (process.env[variable] === value) continue;
    throw new OperationalError(
      'engine-unavailable',
      `engine ${name} needs ${variable}=${value} in the environment that its process is started with`,
    );
  }
}
