/** The files that people take home. */
export { exportGenerator } from './export-generator.js';
export type { GeneratorExport } from './export-generator.js';
export { floatBytes } from './float-bytes.js';
export { onnxFile } from './onnx-file.js';
export type { TrainedLayer, TrainedNetwork } from './trained-network.js';
export { sampleImages, sampleNoise, toPixels, type Generate } from './samples.js';
export type { NamedFile } from './named-file.js';
