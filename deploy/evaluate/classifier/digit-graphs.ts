import {
  GraphBuilder,
  backwardNetwork,
  evaluateNetwork,
  forwardNetwork,
  type NetworkScope,
  type OnnxGraph,
  type Value,
} from '../../../worker/engine/onnx/index.js';
import { DIGITS, IMAGE_SIZE } from '../digit-images.js';
import { DIGIT_NETWORK, DIGIT_TENSORS } from './digit-network.js';

/** The output that holds a tensor's gradient: it must not have the tensor's own name. */
export const gradientName = (tensor: string): string => `${tensor} gradient`;

/** uint8 -> [0, 1] */
function scaledPixels(graph: GraphBuilder, pixels: Value): Value {
  const floats = graph.node('Cast', [pixels], pixels.dims, { attributes: { to: { int: 1 } } });
  return graph.node('Div', [floats, graph.scalar(255)], pixels.dims);
}

const parts = (graph: GraphBuilder, rows: number | string): { trunk: NetworkScope; head: NetworkScope } => ({
  trunk: { graph, name: 'trunk', network: DIGIT_NETWORK.trunk, rows },
  head: { graph, name: 'head', network: DIGIT_NETWORK.head, rows },
});

/**
 * `pixels` [n, 784] uint8 -> `features` [n, 128], `probabilities` [n, 10] for any n. Parameters are inputs under their
 * names in DIGIT_TENSORS.
 */
export function buildDigitGraph(): OnnxGraph {
  const graph = new GraphBuilder('digit classifier');
  const rows = 'n';
  const { trunk, head } = parts(graph, rows);
  const pixels = graph.input('pixels', [rows, IMAGE_SIZE], 'uint8');
  const features = evaluateNetwork(trunk, scaledPixels(graph, pixels));
  const logits = evaluateNetwork(head, features);
  graph.output('features', features);
  graph.output('probabilities', graph.node('Softmax', [logits], logits.dims));
  return graph.graph();
}

/**
 * One batch's mean softmax cross-entropy and its gradient: `pixels` [rows, 784] uint8 and `targets` [10, rows], 1 at
 * each image's digit, else 0, -> `loss` [1, rows], an image each, and a gradient for each tensor. Examples are columns
 * inside, so that parameters other than weights have dims [n, 1].
 *
 * With p = softmax(logits), the loss is -log p at the target and its derivative by the logits p - target.
 */
export function buildDigitTrainingGraph(rows: number): OnnxGraph {
  const graph = new GraphBuilder('training of the digit classifier');
  const { trunk, head } = parts(graph, rows);
  const pixels = graph.input('pixels', [rows, IMAGE_SIZE], 'uint8');
  const images = graph.node('Transpose', [scaledPixels(graph, pixels)], [IMAGE_SIZE, rows]);
  const features = forwardNetwork(trunk, images);
  const logits = forwardNetwork(head, features.output);

  const dims = [DIGITS, rows];
  const targets = graph.input('targets', dims);
  const logProbabilities = graph.node('LogSoftmax', [logits.output], dims, {
    attributes: { axis: { int: 0 } },
  });
  const ofTargets = graph.node('Mul', [logProbabilities, targets], dims);
  const minusOnes = graph.constant('minus ones', [1, DIGITS], new Float32Array(DIGITS).fill(-1));
  const losses = graph.node('Gemm', [minusOnes, ofTargets], [1, rows]);
  const probabilities = graph.node('Exp', [logProbabilities], dims);
  const excess = graph.node('Sub', [probabilities, targets], dims);
  const gradient = graph.node('Mul', [excess, graph.scalar(1 / rows)], dims);

  const ofHead = backwardNetwork(head, logits.saved, gradient, { input: true, parameters: true });
  const ofTrunk = backwardNetwork(trunk, features.saved, ofHead.input ?? gradient, {
    input: false,
    parameters: true,
  });
  const gradients = new Map([...ofHead.parameters, ...ofTrunk.parameters]);
  graph.output('loss', losses);
  for (const { name } of DIGIT_TENSORS) {
    const value = gradients.get(name);
    if (value !== undefined) graph.output(gradientName(name), value);
  }
  return graph.graph();
}
