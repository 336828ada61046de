import type { TensorRole } from '../../../proto/index.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import type { Dimension } from './schema.js';

/** Where a layer stands in the graph: what its rule may refer to. Rows are a batch, columns are features. */
export interface LayerScope {
  readonly graph: GraphBuilder;
  readonly rows: Dimension;
  readonly inputSize: number;
  readonly outputSize: number;
  parameter(role: TensorRole): Value;
  /** Running statistics of a batch norm; only graphs in evaluation mode have them. */
  statistic(role: 'mean' | 'variance'): Value;
}

/** Values of the forward pass that the layer's backward rule reads again, by role. */
export type Saved = Readonly<Record<string, Value>>;

export interface ForwardPass {
  readonly output: Value; // [rows, outputSize]
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
  readonly input?: Value; // [rows, inputSize]
  /** Present when wanted; empty for a layer without parameters. */
  readonly parameters: Readonly<Partial<Record<TensorRole, Value>>>;
}

/** What the differentiator must know of one kind of layer. Every method emits nodes into `scope.graph`. */
export interface LayerRule<Layer> {
  /** In training mode: batch norm normalises by the batch's own statistics. `scope.rows` is a number. */
  forward(scope: LayerScope, layer: Layer, x: Value): ForwardPass;
  /** In evaluation mode: batch norm uses the running statistics. */
  evaluate(scope: LayerScope, layer: Layer, x: Value): Value;
  /** Vector-Jacobian products: from dLoss/dOutput to dLoss/dInput and dLoss/dParameter. */
  backward(
    scope: LayerScope,
    layer: Layer,
    saved: Saved,
    outputGradient: Value, // [rows, outputSize]
    wanted: Wanted,
  ): BackwardPass;
}
