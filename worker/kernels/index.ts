export { adamStep, type AdamOptions } from './adam-step.js';
export { allocationBytes, MAX_MEMORY_BYTES } from './kernel-memory.js';
export {
  KERNELS_VERSION,
  MAX_EXPONENT,
  MIN_EXPONENT,
  type AdamStep,
  type AdamTensor,
  type Kernels,
  type QuantizeOutcome,
} from './kernels.js';
export { plainKernels } from './plain-kernels.js';
export { powerOfTwo } from './power-of-two.js';
export { loadKernels, requireWasmSimd } from './wasm-kernels.js';
