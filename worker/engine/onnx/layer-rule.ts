import type { TensorRole } from '../../../proto/index.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import type { Dimension } from './schema.js';

/** Where a layer stands in the graph: what its rule may refer to. */
export interface LayerScope {
  readonly graph: GraphBuilder;
  /** Examples of the batch. */
  readonly rows: Dimension;
  readonly inputSize: number;
  readonly outputSize: number;
  /** As the layout has it: a weight [in, out], others [n]. */
  parameter(role: TensorRole): Value;
  /** A parameter with one element for each feature, to be added to or multiplied with all examples: [n, 1]. */
  column(role: Exclude<TensorRole, 'weight'>): Value;
  /** Running statistics of a batch norm; only graphs in evaluation mode have them. */
  statistic(role: 'mean' | 'variance'): Value;
}

/** Values of the forward pass that the layer's backward rule reads again, by role. */
export type Saved = Readonly<Record<string, Value>>;

export interface ForwardPass {
  readonly output: Value; // [outputSize, rows]
  readonly saved: Saved;
  /** Batch norm only. */
  readonly statistics?: { readonly mean: Value; readonly variance: Value }; // [1, n] each
}

/** Which vector-Jacobian products are asked for; what is not is not computed. */
export interface Wanted {
  readonly input: boolean;
  readonly parameters: boolean;
}

export interface BackwardPass {
  /** Present when wanted. */
  readonly input?: Value; // [inputSize, rows]
  /** Present when wanted; empty for a layer without parameters. */
  readonly parameters: Readonly<Partial<Record<TensorRole, Value>>>;
}

/**
 * What the differentiator must know of one kind of layer. Every method emits nodes into `scope.graph`. In training,
 * values have an example in each column and `scope.rows` is a number; in evaluation, whose input and output are the
 * engine's and the exported model's, in each row.
 */
export interface LayerRule<Layer> {
  /** In training mode, from `x` [inputSize, rows]: batch norm normalises by the batch's own statistics. */
  forward(scope: LayerScope, layer: Layer, x: Value): ForwardPass;
  /** In evaluation mode, [rows, inputSize] -> [rows, outputSize]: batch norm uses the running statistics. */
  evaluate(scope: LayerScope, layer: Layer, x: Value): Value;
  /** Vector-Jacobian products: from dLoss/dOutput to dLoss/dInput and dLoss/dParameter. */
  backward(
    scope: LayerScope,
    layer: Layer,
    saved: Saved,
    outputGradient: Value, // [outputSize, rows]
    wanted: Wanted,
  ): BackwardPass;
}
