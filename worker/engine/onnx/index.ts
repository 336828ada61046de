/** The ONNX engine, and what it is made of as far as others build ONNX graphs too. */
export { GraphBuilder } from './graph-builder.js';
export type { Value } from './graph-builder.js';
export { evaluateNetwork } from './network.js';
export type { NetworkScope } from './network.js';
export { OnnxEngine } from './onnx-engine.js';
export { encodeModel } from './schema.js';
export type { OnnxGraph } from './schema.js';
