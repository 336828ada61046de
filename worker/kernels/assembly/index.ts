/**
 * The kernels in WebAssembly SIMD. What each one computes is written in ../kernels.ts; ../plain-kernels.ts is the
 * readable twin. Addresses are bytes, 4-byte aligned; the caller has checked them.
 *
 * Every operation is one that WebAssembly defines to the last bit: IEEE 754 + - x / sqrt, rounded after each one. No
 * relaxed SIMD, no fused multiply-add. The one to three elements that four do not divide go through the same lanes as
 * the rest, one at a time, so that there is one arithmetic only.
 */
export { addInt32, dequantize, maxAbsInt32, quantize } from './sums';
export { adam } from './adam';
export { average } from './average';
export { fillNormal } from './normal';
export { xxh64 } from './xxh64';
