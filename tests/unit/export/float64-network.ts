import { sizedLayers } from '../../../proto/index.js';
import type { NetworkDescription, NetworkName } from '../../../proto/index.js';
import type { TrainedModel } from './trained-model.js';

/** A tensor of a layer, by its role in the layout; a dense layer's weight is [in, out]. */
export type LayerTensor = (layer: number, role: string) => ArrayLike<number>;

/**
 * A network in evaluation mode in plain float64. Shares no code with what is under test.
 * @param x [n, inputSize]
 * @returns [n, outputs of the last layer]
 */
export function float64Network(
  network: NetworkDescription,
  tensorOf: LayerTensor,
  x: Float32Array,
): Float64Array {
  const rows = x.length / network.inputSize;
  let values = Float64Array.from(x);
  for (const { layer, index, inputSize: width } of sizedLayers(network)) {
    const tensor = (role: string): ArrayLike<number> => tensorOf(index, role);
    switch (layer.kind) {
      case 'dense':
        values = affine(values, rows, width, layer.units, tensor('weight'), tensor('bias'));
        break;
      case 'batchNorm': {
        const [gamma, beta] = [tensor('gamma'), tensor('beta')];
        const [mean, variance] = [tensor('mean'), tensor('variance')];
        values = values.map((value, i) => {
          const feature = i % width;
          const deviation = Math.sqrt(at(variance, feature) + layer.epsilon);
          return ((value - at(mean, feature)) / deviation) * at(gamma, feature) + at(beta, feature);
        });
        break;
      }
      case 'relu':
        values = values.map((value) => Math.max(value, 0));
        break;
      case 'leakyRelu':
        values = values.map((value) => (value > 0 ? value : layer.slope * value));
        break;
      case 'tanh':
        values = values.map(Math.tanh);
        break;
      case 'sigmoid':
        values = values.map((value) => 1 / (1 + Math.exp(-value)));
        break;
    }
  }
  return values;
}

/** A network of `trained`, straight from the flat vectors: noise -> images, or images -> probabilities. */
export function float64Output(trained: TrainedModel, name: NetworkName, x: Float32Array): Float64Array {
  const { model, layout, parameters, statistics } = trained;
  const { offset, tensors } = layout[name];
  const tensorOf = (layer: number, role: string): Float32Array => {
    const named = (slice: { name: string }): boolean => slice.name === `${name}.${layer}.${role}`;
    const parameter = tensors.find(named);
    if (parameter !== undefined) {
      const start = offset + parameter.offset;
      return parameters.subarray(start, start + parameter.size);
    }
    const statistic = layout.statistics.find(named);
    if (statistic === undefined) throw new Error(`no ${role} at layer ${layer} of the ${name}`);
    return statistics.subarray(statistic.offset, statistic.offset + statistic.size);
  };
  return float64Network(model[name], tensorOf, x);
}

function affine(
  x: Float64Array,
  rows: number,
  width: number,
  units: number,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
): Float64Array<ArrayBuffer> {
  const weights = Float64Array.from(weight);
  const y = new Float64Array(rows * units);
  for (let row = 0; row < rows; row++) {
    const out = y.subarray(row * units, (row + 1) * units);
    out.set(bias);
    for (let i = 0; i < width; i++) {
      const value = at(x, row * width + i);
      if (value === 0) continue;
      const start = i * units;
      for (let j = 0; j < units; j++) out[j] = at(out, j) + value * at(weights, start + j);
    }
  }
  return y;
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] as number;
}

/** Largest absolute difference; infinite where lengths differ or a value is not a number. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    if (!(difference <= max)) max = Number.isNaN(difference) ? Infinity : difference;
  }
  return max;
}

/** Distance between the smallest and the largest value. */
export function spread(values: ArrayLike<number>): number {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, at(values, i));
    high = Math.max(high, at(values, i));
  }
  return high - low;
}
