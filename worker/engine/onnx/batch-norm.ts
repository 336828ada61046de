import { invariant } from '../../../proto/index.js';
import type { LayerDescription } from '../../../proto/index.js';
import { columnMeans, columnSums } from './column-sums.js';
import type { LayerRule } from './layer-rule.js';

type BatchNorm = Extract<LayerDescription, { kind: 'batchNorm' }>;

/**
 * y = (x - mean) r gamma + beta with r = 1 / sqrt(variance + epsilon), over the rows of the batch; the variance is the
 * biased one, from centred values: the mean of squares minus the squared mean would cancel.
 *
 * With c = x - mean and means over the B rows, the gradient is
 *
 *   dbeta = sum dy        dgamma = r sum(dy c)        dx = gamma r (dy - mean dy - c r^2 mean(dy c))
 *
 * (Ioffe and Szegedy, "Batch Normalization", 2015, section 3, with the terms collected.)
 */
export const batchNorm: LayerRule<BatchNorm> = {
  forward(scope, layer, x) {
    const { graph } = scope;
    const full = [scope.rows, scope.outputSize];
    const row = [1, scope.outputSize];
    const mean = columnMeans(scope, x); // [1, n]
    const centred = graph.node('Sub', [x, mean], full);
    const variance = columnMeans(scope, graph.node('Mul', [centred, centred], full)); // [1, n]
    const shifted = graph.node('Add', [variance, graph.scalar(layer.epsilon)], row);
    const inverseDeviation = graph.node('Reciprocal', [graph.node('Sqrt', [shifted], row)], row);
    const scale = graph.node('Mul', [inverseDeviation, scope.parameter('gamma')], row);
    const scaled = graph.node('Mul', [centred, scale], full);
    const output = graph.node('Add', [scaled, scope.parameter('beta')], full);
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
    const full = [scope.rows, scope.outputSize];
    const row = [1, scope.outputSize];
    const rowProduct = (...[a, b]: [typeof dy, typeof dy]) => graph.node('Mul', [a, b], row);

    const dyCentred = graph.node('Mul', [dy, centred], full);
    const sumDy = columnSums(scope, dy); // [1, n]
    const sumDyCentred = columnSums(scope, dyCentred); // [1, n]
    const parameters = wanted.parameters
      ? { gamma: rowProduct(sumDyCentred, inverseDeviation), beta: sumDy }
      : {};
    if (!wanted.input) return { parameters };

    invariant(typeof scope.rows === 'number', 'a gradient has a fixed number of rows');
    const overRows = graph.scalar(1 / scope.rows);
    const meanDy = rowProduct(sumDy, overRows);
    const inverseVariance = rowProduct(inverseDeviation, inverseDeviation);
    const slope = rowProduct(rowProduct(sumDyCentred, overRows), inverseVariance);
    const withoutMean = graph.node('Sub', [dy, meanDy], full);
    const along = graph.node('Mul', [centred, slope], full);
    const rest = graph.node('Sub', [withoutMean, along], full);
    const scale = rowProduct(inverseDeviation, scope.parameter('gamma'));
    return { parameters, input: graph.node('Mul', [rest, scale], full) };
  },
};
