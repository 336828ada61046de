export { askedDevice } from './asked-device.js';
export { CUDA_ENVIRONMENT, requireCudaEnvironment } from './cuda-environment.js';
export { GPU_QUERY, parseGpus, visibleGpus } from './nvidia-gpu.js';
export type { NvidiaGpu } from './nvidia-gpu.js';
