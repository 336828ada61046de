import { invariant } from '../../../proto/index.js';
import type { LayerDescription } from '../../../proto/index.js';
import { asColumn, batchMeans, batchSums } from './batch-sums.js';
import type { LayerRule } from './layer-rule.js';

type BatchNorm = Extract<LayerDescription, { kind: 'batchNorm' }>;

/**
 * y = (x - mean) r gamma + beta with r = 1 / sqrt(variance + epsilon), over the batch; the variance is the biased one,
 * from centred values: the mean of squares minus the squared mean would cancel. What there is once for each feature is
 * computed as a row, which ONNX Runtime's CPU kernels combine with a scalar faster than a column.
 *
 * With c = x - mean and means over the batch, the gradient is
 *
 *   dbeta = sum dy        dgamma = r sum(dy c)        dx = gamma r (dy - mean dy - c r^2 mean(dy c))
 *
 * (Ioffe and Szegedy, "Batch Normalization", 2015, section 3, with the terms collected.)
 */
export const batchNorm: LayerRule<BatchNorm> = {
  forward(scope, layer, x) {
    const { graph } = scope;
    const full = [scope.outputSize, scope.rows];
    const column = [scope.outputSize, 1];
    const mean = batchMeans(graph, x); // [1, n]
    const centred = graph.node('Sub', [x, asColumn(graph, mean)], full);
    const variance = batchMeans(graph, graph.node('Mul', [centred, centred], full)); // [1, n]
    const shifted = graph.node('Add', [variance, graph.scalar(layer.epsilon)], variance.dims);
    const deviation = graph.node('Sqrt', [shifted], variance.dims);
    const inverseDeviation = graph.node('Reciprocal', [deviation], variance.dims); // [1, n]
    const scale = graph.node('Mul', [asColumn(graph, inverseDeviation), scope.column('gamma')], column);
    const scaled = graph.node('Mul', [centred, scale], full);
    const output = graph.node('Add', [scaled, scope.column('beta')], full);
    return { output, saved: { centred, inverseDeviation }, statistics: { mean, variance } };
  },

  evaluate(scope, layer, x) {
    const { graph, rows, outputSize } = scope;
    const inputs = [
      x,
      scope.parameter('gamma'),
      scope.parameter('beta'),
      scope.statistic('mean'),
      scope.statistic('variance'),
    ];
    return graph.node('BatchNormalization', inputs, [rows, outputSize], {
      attributes: { epsilon: { float: layer.epsilon } },
    });
  },

  backward(scope, _layer, { centred, inverseDeviation }, dy, wanted) {
    const { graph } = scope;
    invariant(
      centred !== undefined && inverseDeviation !== undefined,
      'a batch norm saves what it normalised',
    );
    const full = [scope.outputSize, scope.rows];
    const row = [1, scope.outputSize];
    const column = [scope.outputSize, 1];
    const rowProduct = (...[a, b]: [typeof dy, typeof dy]) => graph.node('Mul', [a, b], row);

    const sumDy = batchSums(graph, dy); // [1, n]
    const sumDyCentred = batchSums(graph, graph.node('Mul', [dy, centred], full)); // [1, n]
    const parameters = wanted.parameters
      ? { gamma: rowProduct(sumDyCentred, inverseDeviation), beta: sumDy }
      : {};
    if (!wanted.input) return { parameters };

    invariant(typeof scope.rows === 'number', 'a gradient has a fixed number of rows');
    const overRows = graph.scalar(1 / scope.rows);
    const meanDy = rowProduct(sumDy, overRows);
    const inverseVariance = rowProduct(inverseDeviation, inverseDeviation);
    const slope = rowProduct(rowProduct(sumDyCentred, overRows), inverseVariance);
    const withoutMean = graph.node('Sub', [dy, asColumn(graph, meanDy)], full);
    const along = graph.node('Mul', [centred, asColumn(graph, slope)], full);
    const rest = graph.node('Sub', [withoutMean, along], full);
    const scale = graph.node('Mul', [asColumn(graph, inverseDeviation), scope.column('gamma')], column);
    return { parameters, input: graph.node('Mul', [rest, scale], full) };
  },
};
