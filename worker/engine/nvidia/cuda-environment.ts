import { OperationalError } from '../../../proto/index.js';

/**
 * Environment of a process that computes on an NVIDIA GPU: CUDA's libraries read it when they are loaded, so it must be
 * there before the process's first engine. Matrix products stay in float32 instead of TensorFloat-32, whose 10 bits
 * would show in the gradients. ONNX Runtime's own switch for it (use_tf32) cannot be reached: of the CUDA provider's
 * options its Node binding takes the device's number only.
 */
export const CUDA_ENVIRONMENT = { NVIDIA_TF32_OVERRIDE: '0' } as const;

/** Throws OperationalError('engine-unavailable') in a process that was not started with CUDA_ENVIRONMENT. */
export function requireCudaEnvironment(engine: string, environment: NodeJS.ProcessEnv): void {
  for (const [variable, value] of Object.entries(CUDA_ENVIRONMENT)) {
    if (environment[variable] === value) continue;
    throw new OperationalError(
      'engine-unavailable',
      `engine ${engine} needs ${variable}=${value} in the environment that its process is started with`,
    );
  }
}
