import type { NetworkName } from '../../proto/index.js';
import type { NamedFile } from './named-file.js';
import { floatBytes } from './float-bytes.js';
import type { Provenance } from './provenance.js';
import type { FileTensor, TrainedLayer, TrainedNetwork } from './trained-network.js';

/** The generator's have the names that TensorFlow.js itself gives to a model. */
const FILES: Readonly<Record<NetworkName, { readonly model: string; readonly weights: string }>> = {
  generator: { model: 'model.json', weights: 'weights.bin' },
  discriminator: { model: 'discriminator-model.json', weights: 'discriminator-weights.bin' },
};

/** Of the format, not of an installed package: the file's bytes stay the same when a package is updated. */
const KERAS_VERSION = 'tfjs-layers 4.22.0';

/** A layer in the words of Keras, which TensorFlow.js shares. */
interface KerasLayer {
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** In the order in which the layer lists its weights. */
  readonly weights: readonly FileTensor[];
}

/**
 * `network` as a TensorFlow.js LayersModel, for tf.loadLayersModel: `model.json` and `weights.bin`, of a discriminator
 * `discriminator-model.json` and `discriminator-weights.bin`. The JSON is written by hand, since saving through
 * tfjs-layers would bring a second tensor library, its global backend and its counters for names into a worker. Layers
 * have explicit names, and batch norms stay, so that the model can be trained further.
 * @param provenance becomes the model's userDefinedMetadata
 */
export function layersModelFiles(network: TrainedNetwork, provenance: Provenance): NamedFile[] {
  const files = FILES[network.name];
  const layers = network.layers.map(kerasLayer);
  const topology = layers.map(({ className, config }, index) => ({
    class_name: className,
    config: index === 0 ? { ...config, batch_input_shape: [null, network.inputSize] } : config,
  }));
  const tensors = layers.flatMap(({ weights }) => weights);
  const model = {
    format: 'layers-model',
    generatedBy: 'gan-cluster',
    convertedBy: null,
    modelTopology: {
      class_name: 'Sequential',
      config: { name: network.name, layers: topology },
      keras_version: KERAS_VERSION,
      backend: 'tensor_flow.js',
    },
    weightsManifest: [
      {
        paths: [files.weights],
        weights: tensors.map(({ name: tensor, shape }) => ({ name: tensor, shape, dtype: 'float32' })),
      },
    ],
    userDefinedMetadata: provenance,
  };
  return [
    { name: files.model, bytes: new TextEncoder().encode(`${JSON.stringify(model)}\n`) },
    { name: files.weights, bytes: floatBytes(tensors.map(({ data }) => data)) },
  ];
}

function kerasLayer(layer: TrainedLayer, index: number): KerasLayer {
  const name = `${layer.kind}_${index}`;
  const base = { name, trainable: true, dtype: 'float32' };
  const perFeature = (role: string, data: Float32Array): FileTensor => ({
    name: `${name}/${role}`,
    shape: [data.length],
    data,
  });
  switch (layer.kind) {
    case 'dense':
      return {
        className: 'Dense',
        config: { ...base, units: layer.units, activation: 'linear', use_bias: true },
        weights: [
          { name: `${name}/kernel`, shape: [layer.inputSize, layer.units], data: layer.weight },
          perFeature('bias', layer.bias),
        ],
      };
    case 'batchNorm':
      return {
        className: 'BatchNormalization',
        config: {
          ...base,
          axis: -1,
          momentum: layer.momentum,
          epsilon: layer.epsilon,
          center: true,
          scale: true,
        },
        weights: [
          perFeature('gamma', layer.gamma),
          perFeature('beta', layer.beta),
          perFeature('moving_mean', layer.mean),
          perFeature('moving_variance', layer.variance),
        ],
      };
    case 'relu':
      return { className: 'ReLU', config: { ...base, max_value: null }, weights: [] };
    case 'leakyRelu':
      return { className: 'LeakyReLU', config: { ...base, alpha: layer.slope }, weights: [] };
    case 'tanh':
    case 'sigmoid':
      return { className: 'Activation', config: { ...base, activation: layer.kind }, weights: [] };
  }
}
