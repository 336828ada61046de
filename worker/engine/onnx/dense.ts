import { invariant } from '../../../proto/index.js';
import type { LayerDescription } from '../../../proto/index.js';
import { columnSums } from './column-sums.js';
import type { Value } from './graph-builder.js';
import type { LayerRule, LayerScope } from './layer-rule.js';

type Dense = Extract<LayerDescription, { kind: 'dense' }>;

const TRANSPOSE_A = { attributes: { transA: { int: 1 } } } as const;
const TRANSPOSE_B = { attributes: { transB: { int: 1 } } } as const;

function affine(scope: LayerScope, x: Value): Value {
  const { graph, rows, outputSize } = scope;
  return graph.node('Gemm', [x, scope.parameter('weight'), scope.parameter('bias')], [rows, outputSize]);
}

/** y = x W + b. Transposed factors are the matrix kernel's business: no Transpose nodes. */
export const dense: LayerRule<Dense> = {
  forward: (scope, _layer, x) => ({ output: affine(scope, x), saved: { input: x } }),

  evaluate: (scope, _layer, x) => affine(scope, x),

  backward(scope, _layer, { input }, dy, wanted) {
    const { graph, rows, inputSize, outputSize } = scope;
    invariant(input !== undefined, 'a dense layer saves its input');
    const parameters = wanted.parameters
      ? {
          weight: graph.node('Gemm', [input, dy], [inputSize, outputSize], TRANSPOSE_A), // x' dy
          bias: columnSums(scope, dy),
        }
      : {};
    if (!wanted.input) return { parameters };
    const dx = graph.node('Gemm', [dy, scope.parameter('weight')], [rows, inputSize], TRANSPOSE_B); // dy W'
    return { parameters, input: dx };
  },
};
