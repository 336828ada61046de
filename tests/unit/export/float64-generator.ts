import type { TrainedModel } from './trained-model.js';

type Tensor = (role: string) => Float32Array;

/**
 * The generator in evaluation mode in plain float64, straight from the flat vectors. Shares no code with what is under
 * test.
 * @param noise [n, inputSize]
 * @returns [n, imageSize]
 */
export function float64Images({ model, layout, parameters, statistics }: TrainedModel, noise: Float32Array) {
  const { inputSize, layers } = model.generator;
  let width: number = inputSize;
  const rows = noise.length / inputSize;
  let values = Float64Array.from(noise);
  for (const [index, layer] of layers.entries()) {
    const tensor: Tensor = (role) => {
      const name = `generator.${index}.${role}`;
      const parameter = layout.generator.tensors.find((slice) => slice.name === name);
      const slice = parameter ?? layout.statistics.find((candidate) => candidate.name === name);
      if (slice === undefined) throw new Error(`no tensor ${name}`);
      const vector = parameter === undefined ? statistics : parameters;
      return vector.slice(slice.offset, slice.offset + slice.size);
    };
    switch (layer.kind) {
      case 'dense':
        values = affine(values, rows, width, layer.units, tensor('weight'), tensor('bias'));
        width = layer.units;
        break;
      case 'batchNorm': {
        const [gamma, beta] = [tensor('gamma'), tensor('beta')];
        const [mean, variance] = [tensor('mean'), tensor('variance')];
        values = values.map((x, i) => {
          const feature = i % width;
          const deviation = Math.sqrt(at(variance, feature) + layer.epsilon);
          return ((x - at(mean, feature)) / deviation) * at(gamma, feature) + at(beta, feature);
        });
        break;
      }
      case 'relu':
        values = values.map((x) => Math.max(x, 0));
        break;
      case 'leakyRelu':
        values = values.map((x) => (x > 0 ? x : layer.slope * x));
        break;
      case 'tanh':
        values = values.map(Math.tanh);
        break;
      case 'sigmoid':
        values = values.map((x) => 1 / (1 + Math.exp(-x)));
        break;
    }
  }
  return values;
}

function affine(
  x: Float64Array,
  rows: number,
  width: number,
  units: number,
  weight: Float32Array,
  bias: Float32Array,
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

function at(values: Float64Array | Float32Array, index: number): number {
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
