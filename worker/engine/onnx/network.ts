import { invariant, sizedLayers } from '../../../proto/index.js';
import type { LayerDescription, NetworkDescription } from '../../../proto/index.js';
import { leakyRelu, relu, sigmoid, tanh } from './activations.js';
import { batchNorm } from './batch-norm.js';
import { dense } from './dense.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import type { LayerRule, LayerScope, Saved, Wanted } from './layer-rule.js';
import type { Dimension } from './schema.js';

const RULES: { [Kind in LayerDescription['kind']]: LayerRule<Extract<LayerDescription, { kind: Kind }>> } = {
  dense,
  batchNorm,
  relu,
  leakyRelu,
  tanh,
  sigmoid,
};

/** The table ties a rule to its layers by kind: it is never called with another's. */
const ruleOf = (layer: LayerDescription): LayerRule<LayerDescription> => RULES[layer.kind];

const hasParameters = (layer: LayerDescription): boolean =>
  layer.kind === 'dense' || layer.kind === 'batchNorm';

/** One network within one graph. */
export interface NetworkScope {
  readonly graph: GraphBuilder;
  /** The first part of its tensors' names. */
  readonly name: string;
  readonly network: NetworkDescription;
  readonly rows: Dimension;
  /**
   * The value of a tensor, by its name in the layout (`generator.2.weight`, `generator.3.mean`): an input of the graph,
   * unless the caller has it as a constant. In training, tensors other than weights have dims [n, 1] instead of [n].
   */
  readonly tensor?: (name: string, dims: readonly number[]) => Value;
}

interface ScopedLayer {
  readonly index: number;
  readonly layer: LayerDescription;
  readonly rule: LayerRule<LayerDescription>;
  readonly scope: LayerScope;
}

function scopedLayers({ graph, name, network, rows, tensor }: NetworkScope): ScopedLayer[] {
  const lookUp = tensor ?? ((tensorName, dims) => graph.input(tensorName, dims));
  return sizedLayers(network).map(({ layer, index, inputSize, outputSize }) => {
    const scope: LayerScope = {
      graph,
      rows,
      inputSize,
      outputSize,
      parameter: (role) =>
        lookUp(`${name}.${index}.${role}`, role === 'weight' ? [inputSize, outputSize] : [outputSize]),
      column: (role) => lookUp(`${name}.${index}.${role}`, [outputSize, 1]),
      statistic: (role) => lookUp(`${name}.${index}.${role}`, [outputSize]),
    };
    return { index, layer, rule: ruleOf(layer), scope };
  });
}

export interface NetworkForward {
  readonly output: Value; // [units of the last dense layer, rows]
  /** What the layers' backward rules will read, a record for each layer. */
  readonly saved: readonly Saved[];
  /** Batch mean and biased variance of each batch norm, by name in the layout. */
  readonly statistics: ReadonlyMap<string, Value>; // [1, n]
}

/** Emits the network's forward pass in training mode on `x` [inputSize, rows]: examples are columns. */
export function forwardNetwork(network: NetworkScope, x: Value): NetworkForward {
  const saved: Saved[] = [];
  const statistics = new Map<string, Value>();
  let output = x;
  for (const { index, layer, rule, scope } of scopedLayers(network)) {
    const pass = rule.forward(scope, layer, output);
    output = pass.output;
    saved.push(pass.saved);
    for (const [role, value] of Object.entries(pass.statistics ?? {})) {
      statistics.set(`${network.name}.${index}.${role}`, value);
    }
  }
  return { output, saved, statistics };
}

/** Emits the network's forward pass in evaluation mode on `x` [rows, inputSize]; returns the output. */
export function evaluateNetwork(network: NetworkScope, x: Value): Value {
  return scopedLayers(network).reduce(
    (value, { layer, rule, scope }) => rule.evaluate(scope, layer, value),
    x,
  );
}

export interface NetworkBackward {
  /** dLoss/dInput [inputSize, rows], when wanted. */
  readonly input?: Value;
  /** dLoss/dParameter by name in the layout, when wanted. */
  readonly parameters: ReadonlyMap<string, Value>;
}

/**
 * Emits the backward pass, last layer first: from dLoss/dOutput to what is wanted, and nothing besides. In particular
 * the first layer with parameters gets no gradient of its input when only parameters are wanted.
 */
export function backwardNetwork(
  network: NetworkScope,
  saved: readonly Saved[],
  outputGradient: Value,
  wanted: Wanted,
): NetworkBackward {
  const layers = scopedLayers(network);
  const firstWithParameters = layers.findIndex(({ layer }) => hasParameters(layer));
  const parameters = new Map<string, Value>();
  let gradient = outputGradient;
  for (const { index, layer, rule, scope } of layers.reverse()) {
    const layerSaved = saved[index];
    invariant(layerSaved !== undefined, `layer ${index} of the ${network.name} has run forward`);
    const inputWanted = wanted.input || (wanted.parameters && firstWithParameters < index);
    const pass = rule.backward(scope, layer, layerSaved, gradient, {
      input: inputWanted,
      parameters: wanted.parameters,
    });
    for (const [role, value] of Object.entries(pass.parameters)) {
      parameters.set(`${network.name}.${index}.${role}`, value);
    }
    if (!inputWanted) return { parameters };
    invariant(pass.input !== undefined, `layer ${index} of the ${network.name} gives its input's gradient`);
    gradient = pass.input;
  }
  return { input: gradient, parameters };
}
