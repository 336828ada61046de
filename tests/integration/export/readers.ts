import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { safetensors } from '@jax-js/loaders';
import * as wasm from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelDescription, NetworkName } from '../../../proto/index.js';
import { float64Network } from '../../unit/export/float64-network.js';
import { fileOf } from './exported-files.js';
import { serveFiles } from './file-server.js';
import { torchTensor } from './torch-tensor.js';

/** What somebody else's reader makes of a network's file: x [n, inputSize] -> [n, outputs]. */
export type ReadNetwork = (x: Float32Array) => Promise<ArrayLike<number>>;

/** A tool that is not ours and reads one of our formats. */
export interface Reader {
  readonly name: string;
  read(
    files: ReadonlyMap<string, Uint8Array>,
    network: NetworkName,
    model: ModelDescription,
  ): Promise<ReadNetwork>;
}

const onnxRuntime: Reader = {
  name: 'ONNX Runtime',
  async read(files, network, model) {
    const session = await InferenceSession.create(fileOf(files, `${network}.onnx`));
    const [input] = session.inputNames;
    const [output] = session.outputNames;
    if (input === undefined || output === undefined) throw new Error('one input and one output are named');
    const { inputSize } = model[network];
    return async (x) => {
      const results = await session.run({
        [input]: new Tensor('float32', x, [x.length / inputSize, inputSize]),
      });
      return results[output]?.data as Float32Array;
    };
  },
};

export const LAYERS_MODELS: Readonly<Record<NetworkName, string>> = {
  generator: 'model.json',
  discriminator: 'discriminator-model.json',
};

/** From a web server, by the address of the model's file alone. */
const tensorFlowJs: Reader = {
  name: 'TensorFlow.js',
  async read(files, network, model) {
    tf.enableProdMode(); // says nothing about faster backends
    wasm.setWasmPaths(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep);
    await tf.setBackend('wasm');
    const server = await serveFiles(files);
    const address = `http://127.0.0.1:${server.port}/${LAYERS_MODELS[network]}`;
    const loaded = await tfl.loadLayersModel(address).finally(() => server.close());
    const { inputSize } = model[network];
    return (x) =>
      Promise.resolve(
        tf.tidy(() => {
          const output = loaded.predict(tf.tensor2d(x, [x.length / inputSize, inputSize]));
          if (Array.isArray(output)) throw new Error('the model has one output');
          return output.dataSync<'float32'>();
        }),
      );
  },
};

/** The format holds tensors only: what is computed with them is a torch.nn.Sequential's forward pass, in float64. */
const safetensorsOfJaxJs: Reader = {
  name: 'safetensors of jax-js',
  read(files, network, model) {
    const bytes = Uint8Array.from(fileOf(files, `${network}.safetensors`));
    const { tensors } = safetensors.parse(bytes);
    const tensorOf = torchTensor(tensors);
    return Promise.resolve((x) => Promise.resolve(float64Network(model[network], tensorOf, x)));
  },
};

export const READERS: readonly Reader[] = [onnxRuntime, tensorFlowJs, safetensorsOfJaxJs];
