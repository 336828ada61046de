/** The ONNX engine, and what it is made of as far as others build ONNX graphs too. */
export { loadOnnxRuntime } from '../onnx-runtime.js';
export type { InferenceSession, OnnxRuntime } from '../onnx-runtime.js';
export { decodeModel } from './decode-model.js';
export type { DecodedModel } from './decode-model.js';
export { GraphBuilder } from './graph-builder.js';
export type { Value } from './graph-builder.js';
export { backwardNetwork, evaluateNetwork, forwardNetwork } from './network.js';
export type { NetworkScope } from './network.js';
export { OnnxEngine } from './onnx-engine.js';
export { encodeModel } from './schema.js';
export type { OnnxGraph } from './schema.js';
export { openModel, openSession } from './session.js';
export { tensorsOver } from './tensors.js';
export type { Tensors } from './tensors.js';
