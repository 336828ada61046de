import { invariant } from '../../proto/index.js';
import type { NetworkName } from '../../proto/index.js';
import { encodeModel, evaluateNetwork, GraphBuilder } from '../engine/onnx/index.js';
import { foldBatchNorm } from './folded-network.js';
import type { Provenance } from './provenance.js';
import type { TrainedLayer, TrainedNetwork } from './trained-network.js';

/** What a file calls what goes in [n, inputSize] and what comes out [n, outputs of the last layer]. */
const ENDS: Readonly<Record<NetworkName, { readonly input: string; readonly output: string }>> = {
  generator: { input: 'noise', output: 'images' },
  discriminator: { input: 'images', output: 'probability' },
};

/** The oldest that has our operators, so that older readers take the file as well; what engines run has a newer one. */
const VERSION = { ir: 8, opset: 16 };

/**
 * An ONNX model of `trained` in evaluation mode, running statistics folded in, float32 with any number of rows n: of a
 * generator `noise` [n, inputSize] -> `images` [n, imageSize], of a discriminator `images` [n, imageSize] ->
 * `probability` [n, 1]. `provenance` becomes its metadata.
 */
export function onnxFile(trained: TrainedNetwork, provenance: Provenance): Uint8Array {
  const network = foldBatchNorm(trained);
  const { name } = network;
  const tensors = new Map<string, Float32Array>(
    network.layers.flatMap((layer, index) =>
      Object.entries(tensorsOf(layer)).map(([role, data]): [string, Float32Array] => [
        `${name}.${index}.${role}`,
        data,
      ]),
    ),
  );
  const graph = new GraphBuilder(name);
  const rows = 'n';
  const output = evaluateNetwork(
    {
      graph,
      name,
      network,
      rows,
      tensor: (tensor, dims) => {
        const data = tensors.get(tensor);
        invariant(data !== undefined, `the ${name} has ${tensor}`);
        return graph.constant(tensor, dims, data);
      },
    },
    graph.input(ENDS[name].input, [rows, network.inputSize]),
  );
  graph.output(ENDS[name].output, output);
  // A copy, since what the encoder returns may be a part of memory that others use.
  return new Uint8Array(encodeModel(graph.graph(), provenance, VERSION));
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
