import type { LayerDescription } from '../../../../proto/index.js';
import { at, columnSums, map, matrix, multiply, transpose } from './matrix.js';
import type { Matrix } from './matrix.js';

/** A layer's pass over a batch: its output, and the way back for a gradient of the loss by that output. */
export interface LayerPass {
  readonly output: Matrix;
  readonly statistics?: { readonly mean: Float64Array; readonly variance: Float64Array };
  backward(outputGradient: Matrix): {
    readonly input: Matrix;
    readonly parameters: Record<string, Float64Array>;
  };
}

export interface LayerInputs {
  /** The layer's own parameter, flat. */
  readonly parameter: (role: string) => Float64Array;
  /** Told on which side of its kink a rectifier works, for every element. */
  readonly onRectified: (positive: boolean) => void;
}

/** One layer in training mode, in double precision, its gradient derived and written by hand. */
export function runLayer(
  layer: LayerDescription,
  { parameter, onRectified }: LayerInputs,
  x: Matrix,
): LayerPass {
  switch (layer.kind) {
    case 'dense':
      return dense(parameter, layer.units, x);
    case 'batchNorm':
      return batchNorm(parameter, layer.epsilon, x);
    case 'relu':
      return rectifier(x, 0, onRectified);
    case 'leakyRelu':
      return rectifier(x, layer.slope, onRectified);
    case 'tanh':
      return elementwise(x, Math.tanh, (y) => 1 - y * y);
    case 'sigmoid':
      return elementwise(x, sigmoid, (y) => y * (1 - y));
  }
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

function dense(parameter: LayerInputs['parameter'], units: number, x: Matrix): LayerPass {
  const weight = matrix(x.columns, units, parameter('weight'));
  const bias = parameter('bias');
  return {
    output: map(multiply(x, weight), (value, _row, column) => value + bias[column]!),
    backward: (dy) => ({
      input: multiply(dy, transpose(weight)),
      parameters: { weight: multiply(transpose(x), dy).values, bias: columnSums(dy) },
    }),
  };
}

/**
 * With n = (x - mean) / deviation: y = gamma n + beta, and for each column over the B rows
 * dx = gamma / deviation x (dy - mean(dy) - n mean(dy n)).
 */
function batchNorm(parameter: LayerInputs['parameter'], epsilon: number, x: Matrix): LayerPass {
  const gamma = parameter('gamma');
  const beta = parameter('beta');
  const mean = columnSums(x).map((sum) => sum / x.rows);
  const centred = map(x, (value, _row, column) => value - mean[column]!);
  const variance = columnSums(map(centred, (value) => value * value)).map((sum) => sum / x.rows);
  const deviation = variance.map((value) => Math.sqrt(value + epsilon));
  const normal = map(centred, (value, _row, column) => value / deviation[column]!);
  return {
    output: map(normal, (value, _row, column) => value * gamma[column]! + beta[column]!),
    statistics: { mean, variance },
    backward: (dy) => {
      const sumDy = columnSums(dy);
      const sumDyNormal = columnSums(map(dy, (value, row, column) => value * at(normal, row, column)));
      const input = map(dy, (value, row, column) => {
        const along = (sumDyNormal[column]! / x.rows) * at(normal, row, column);
        return (gamma[column]! / deviation[column]!) * (value - sumDy[column]! / x.rows - along);
      });
      return { input, parameters: { gamma: sumDyNormal, beta: sumDy } };
    },
  };
}

function rectifier(x: Matrix, slope: number, onRectified: LayerInputs['onRectified']): LayerPass {
  for (const value of x.values) onRectified(value > 0);
  return {
    output: map(x, (value) => (value > 0 ? value : slope * value)),
    backward: (dy) => ({
      input: map(dy, (value, row, column) => (at(x, row, column) > 0 ? value : slope * value)),
      parameters: {},
    }),
  };
}

function elementwise(x: Matrix, f: (x: number) => number, derivative: (y: number) => number): LayerPass {
  const output = map(x, f);
  return {
    output,
    backward: (dy) => ({
      input: map(dy, (value, row, column) => value * derivative(at(output, row, column))),
      parameters: {},
    }),
  };
}
