import { invariant } from '../../../proto/index.js';
import type { GraphBuilder, Value } from './graph-builder.js';

/** Sum over the batch of each feature, [n, rows] -> [1, n]. */
export const batchSums = (graph: GraphBuilder, x: Value): Value => weightedSums(graph, x, 'ones', () => 1);

/** Mean over the batch of each feature, [n, rows] -> [1, n]. */
export const batchMeans = (graph: GraphBuilder, x: Value): Value =>
  weightedSums(graph, x, 'shares', (rows) => 1 / rows);

/** [1, n] -> [n, 1], for what is added to or multiplied with all examples: the same memory under other dims. */
export function asColumn(graph: GraphBuilder, row: Value): Value {
  const [one, features] = row.dims;
  invariant(one === 1 && features !== undefined, 'a column is made of a row');
  return graph.node('Flatten', [row], [features, 1], { attributes: { axis: { int: 2 } } });
}

/** A row of weights times x': ONNX Runtime's CPU kernels do that three times faster than x times a column. */
function weightedSums(graph: GraphBuilder, x: Value, name: string, weight: (rows: number) => number): Value {
  const [features, rows] = x.dims;
  invariant(
    typeof features === 'number' && typeof rows === 'number',
    'sums over a batch need a fixed number of examples',
  );
  const weights = graph.constant(`${name} ${rows}`, [1, rows], new Float32Array(rows).fill(weight(rows)));
  return graph.node('Gemm', [weights, x], [1, features], { attributes: { transB: { int: 1 } } });
}
