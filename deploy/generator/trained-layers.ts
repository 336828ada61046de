import { sizedLayers, type NetworkDescription } from '../../proto/index.js';
import type { TrainedLayer } from '../../worker/export/index.js';

/** Where the layers' tensors come from: each is asked for once, and throws when it is not there. */
export interface LayerTensors {
  /** Of a dense layer, [inputSize, units]. */
  weight(index: number, inputSize: number, units: number): Float32Array;
  vector(index: number, role: 'bias' | 'gamma' | 'beta' | 'mean' | 'variance', length: number): Float32Array;
}

/** The layers of `network` with what training gave to each. */
export function trainedLayers(network: NetworkDescription, tensors: LayerTensors): TrainedLayer[] {
  return sizedLayers(network).map(({ layer, index, inputSize, outputSize }): TrainedLayer => {
    switch (layer.kind) {
      case 'dense':
        return {
          ...layer,
          inputSize,
          weight: tensors.weight(index, inputSize, outputSize),
          bias: tensors.vector(index, 'bias', outputSize),
        };
      case 'batchNorm':
        return {
          ...layer,
          gamma: tensors.vector(index, 'gamma', outputSize),
          beta: tensors.vector(index, 'beta', outputSize),
          mean: tensors.vector(index, 'mean', outputSize),
          variance: tensors.vector(index, 'variance', outputSize),
        };
      case 'relu':
      case 'leakyRelu':
      case 'tanh':
      case 'sigmoid':
        return layer;
    }
  });
}
