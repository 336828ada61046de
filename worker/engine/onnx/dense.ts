import { invariant } from '../../../proto/index.js';
import type { LayerDescription } from '../../../proto/index.js';
import { batchSums } from './batch-sums.js';
import type { LayerRule } from './layer-rule.js';

type Dense = Extract<LayerDescription, { kind: 'dense' }>;

const TRANSPOSE_A = { attributes: { transA: { int: 1 } } } as const;
const TRANSPOSE_B = { attributes: { transB: { int: 1 } } } as const;

/**
 * y = W' x + b for examples in columns, with W [in, out]. Transposed factors are the matrix kernel's business: no
 * Transpose nodes. Training has examples in columns because the gradients, more than half of the work, then get the
 * factors that ONNX Runtime's CPU kernel multiplies fastest, a tenth to a fifth faster than those of examples in rows:
 * W dy with none transposed, x dy' with only the second, which it packs anyway. Forward there is little between the two.
 */
export const dense: LayerRule<Dense> = {
  forward(scope, _layer, x) {
    const { graph, rows, outputSize } = scope;
    const operands = [scope.parameter('weight'), x, scope.column('bias')];
    const output = graph.node('Gemm', operands, [outputSize, rows], TRANSPOSE_A);
    return { output, saved: { input: x } };
  },

  evaluate(scope, _layer, x) {
    const { graph, rows, outputSize } = scope;
    return graph.node('Gemm', [x, scope.parameter('weight'), scope.parameter('bias')], [rows, outputSize]);
  },

  backward(scope, _layer, { input }, dy, wanted) {
    const { graph, rows, inputSize, outputSize } = scope;
    invariant(input !== undefined, 'a dense layer saves its input');
    const parameters = wanted.parameters
      ? {
          weight: graph.node('Gemm', [input, dy], [inputSize, outputSize], TRANSPOSE_B), // x dy'
          bias: batchSums(graph, dy),
        }
      : {};
    if (!wanted.input) return { parameters };
    const dx = graph.node('Gemm', [scope.parameter('weight'), dy], [inputSize, rows]); // W dy
    return { parameters, input: dx };
  },
};
