import { invariant } from '../../proto/index.js';
import { encodeModel, evaluateNetwork, GraphBuilder } from '../engine/onnx/index.js';
import { foldBatchNorm } from './folded-network.js';
import type { Provenance } from './provenance.js';
import type { TrainedLayer, TrainedNetwork } from './trained-network.js';

/**
 * An ONNX model of the generator in evaluation mode, running statistics folded in: `noise` [n, inputSize] float32 ->
 * `images` [n, imageSize] float32, any n. `provenance` becomes its metadata.
 */
export function generatorOnnx(generator: TrainedNetwork, provenance: Provenance): Uint8Array {
  const network = foldBatchNorm(generator);
  const tensors = new Map<string, Float32Array>(
    network.layers.flatMap((layer, index) =>
      Object.entries(tensorsOf(layer)).map(([role, data]): [string, Float32Array] => [
        `generator.${index}.${role}`,
        data,
      ]),
    ),
  );
  const graph = new GraphBuilder('generator');
  const rows = 'n';
  const images = evaluateNetwork(
    {
      graph,
      name: 'generator',
      network,
      rows,
      tensor: (name, dims) => {
        const data = tensors.get(name);
        invariant(data !== undefined, `the generator has ${name}`);
        return graph.constant(name, dims, data);
      },
    },
    graph.input('noise', [rows, network.inputSize]),
  );
  graph.output('images', images);
  // A copy, since what the encoder returns may be a part of memory that others use.
  return new Uint8Array(encodeModel(graph.graph(), provenance));
}

/** By their roles in the layout. */
function tensorsOf(layer: TrainedLayer): Record<string, Float32Array> {
  switch (layer.kind) {
    case 'dense':
      return { weight: layer.weight, bias: layer.bias };
    case 'batchNorm':
      return { gamma: layer.gamma, beta: layer.beta, mean: layer.mean, variance: layer.variance };
    case 'relu':
    case 'leakyRelu':
    case 'tanh':
    case 'sigmoid':
      return {};
  }
}
