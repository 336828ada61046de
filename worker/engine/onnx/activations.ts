import { invariant } from '../../../proto/index.js';
import type { LayerDescription } from '../../../proto/index.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import type { LayerRule } from './layer-rule.js';
import type { AttributeValue } from './schema.js';

type LayerOf<Kind> = Extract<LayerDescription, { kind: Kind }>;

/** All activations save their output y: their derivative is a function of it alone. */
function activation<Layer>(
  operator: string,
  attributes: (layer: Layer) => Readonly<Record<string, AttributeValue>>,
  derivative: (graph: GraphBuilder, layer: Layer, y: Value) => Value,
): LayerRule<Layer> {
  const apply: LayerRule<Layer>['evaluate'] = ({ graph }, layer, x) =>
    graph.node(operator, [x], x.dims, { attributes: attributes(layer) });
  return {
    forward(scope, layer, x) {
      const output = apply(scope, layer, x);
      return { output, saved: { output } };
    },
    evaluate: apply,
    backward({ graph }, layer, { output }, dy, wanted) {
      invariant(output !== undefined, 'an activation saves its output');
      if (!wanted.input) return { parameters: {} };
      return { parameters: {}, input: graph.node('Mul', [dy, derivative(graph, layer, output)], dy.dims) };
    },
  };
}

/** So steep that a float either is below 1 / STEEPNESS, which no activation but zero is, or ends at the clip's limit. */
const STEEPNESS = 1e30;

/** 1 where y > 0, else 0: a hard sigmoid is a line clipped to [0, 1] by one operator. */
function step(graph: GraphBuilder, y: Value): Value {
  const attributes = { alpha: { float: STEEPNESS }, beta: { float: 0 } };
  return graph.node('HardSigmoid', [y], y.dims, { attributes });
}

/**
 * 1 where y > 0, else `slope`, as a steep line clipped between the two: ONNX Runtime's CPU kernels clip five times
 * faster than they compare and select. The line falls where the slope is above 1, so that the limits stay in order.
 */
function leakyStep(graph: GraphBuilder, slope: number, y: Value): Value {
  const steep = graph.scalar(slope > 1 ? -STEEPNESS : STEEPNESS);
  const line = graph.node('Mul', [y, steep], y.dims);
  const limits = [graph.scalar(Math.min(slope, 1)), graph.scalar(Math.max(slope, 1))];
  return graph.node('Clip', [line, ...limits], y.dims);
}

const complement = (graph: GraphBuilder, value: Value): Value =>
  graph.node('Sub', [graph.scalar(1), value], value.dims);

export const relu: LayerRule<LayerOf<'relu'>> = activation(
  'Relu',
  () => ({}),
  (graph, _layer, y) => step(graph, y),
);

export const leakyRelu: LayerRule<LayerOf<'leakyRelu'>> = activation(
  'LeakyRelu',
  ({ slope }) => ({ alpha: { float: slope } }),
  (graph, { slope }, y) => leakyStep(graph, slope, y),
);

/** 1 - y^2 */
export const tanh: LayerRule<LayerOf<'tanh'>> = activation(
  'Tanh',
  () => ({}),
  (graph, _layer, y) => complement(graph, graph.node('Mul', [y, y], y.dims)),
);

/** y (1 - y) */
export const sigmoid: LayerRule<LayerOf<'sigmoid'>> = activation(
  'Sigmoid',
  () => ({}),
  (graph, _layer, y) => graph.node('Mul', [y, complement(graph, y)], y.dims),
);
