import { invariant } from '../../../proto/index.js';
import type { Value } from './graph-builder.js';
import type { LayerScope } from './layer-rule.js';

function rowCount({ rows }: LayerScope): number {
  invariant(typeof rows === 'number', 'sums over a batch need a fixed number of rows');
  return rows;
}

/**
 * Sum of each column, [rows, n] -> [1, n]. As a product with a row of ones: ONNX Runtime's matrix kernels do it faster
 * than its reductions.
 */
export function columnSums(scope: LayerScope, x: Value): Value {
  const rows = rowCount(scope);
  const ones = scope.graph.constant(`ones ${rows}`, [1, rows], new Float32Array(rows).fill(1));
  return scope.graph.node('MatMul', [ones, x], [1, scope.outputSize]);
}

/** Mean of each column, [rows, n] -> [1, n]. */
export function columnMeans(scope: LayerScope, x: Value): Value {
  const rows = rowCount(scope);
  const weights = scope.graph.constant(`mean ${rows}`, [1, rows], new Float32Array(rows).fill(1 / rows));
  return scope.graph.node('MatMul', [weights, x], [1, scope.outputSize]);
}
