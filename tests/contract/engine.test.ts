import { createEngine, ENGINE_NAMES } from '../../worker/engine/index.js';
import { createProcessEngine } from '../unit/engine/engine-process.js';
import { describeEngine } from './engine.contract.js';

describeEngine('onnx-cpu', (options) => createEngine('onnx-cpu', options));
describeEngine('tfjs-wasm', (options) => createEngine('tfjs-wasm', options));
describeEngine('tfjs-cpu', (options) => createEngine('tfjs-cpu', options));
describeEngine('in a process of its own', (options) => createProcessEngine('tfjs-cpu', options));

/** Engines that need hardware, where a machine has it: GAN_TEST_ENGINES=onnx-cuda,onnx-webgpu */
const further = process.env['GAN_TEST_ENGINES']?.split(',') ?? [];
for (const name of ENGINE_NAMES.filter((known) => further.includes(known))) {
  describeEngine(name, (options) => createEngine(name, options));
}
