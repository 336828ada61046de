import { modelLayout, updateLayout } from '../../../../proto/index.js';
import type { LayerDescription, ModelDescription, NetworkName } from '../../../../proto/index.js';
import { runLayer, sigmoid, softplus } from './layers.js';
import type { LayerPass } from './layers.js';
import { map, matrix, stack } from './matrix.js';
import type { Matrix } from './matrix.js';

/**
 * Both halves of a step in double precision: what the engines' results are measured against. Plain loops and gradients
 * written by hand, themselves checked by central differences.
 */
export interface ReferenceShard {
  readonly model: ModelDescription;
  /** In the model's layout. */
  readonly parameters: Float64Array;
  readonly pixels: Uint8Array;
  readonly noise: Float32Array;
  /** The probability that D is taught to give a real image; 1 unless said otherwise. */
  readonly realTarget?: number;
}

export interface ReferenceHalf {
  readonly loss: number;
  /** In UpdateLayout's order. */
  readonly update: Float64Array;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

interface NetworkPass {
  readonly output: Matrix;
  readonly layers: readonly LayerPass[];
}

type OnRectified = (positive: boolean) => void;

function runNetwork(
  shard: ReferenceShard,
  name: NetworkName,
  x: Matrix,
  onRectified: OnRectified,
): NetworkPass {
  const layout = modelLayout(shard.model)[name];
  const all: readonly LayerDescription[] = shard.model[name].layers;
  // The discriminator's sigmoid belongs to the loss.
  const used = name === 'discriminator' ? all.slice(0, -1) : all;
  const layers: LayerPass[] = [];
  let output = x;
  for (const [index, layer] of used.entries()) {
    const parameter = (role: string): Float64Array => {
      const slice = layout.tensors.find((tensor) => tensor.layer === index && tensor.role === role)!;
      const start = layout.offset + slice.offset;
      return shard.parameters.subarray(start, start + slice.size);
    };
    const pass = runLayer(layer, { parameter, onRectified }, output);
    layers.push(pass);
    output = pass.output;
  }
  return { output, layers };
}

/** Gradients by name in the layout, and by the input. */
function backward(name: NetworkName, { layers }: NetworkPass, outputGradient: Matrix) {
  const gradients = new Map<string, Float64Array>();
  let gradient = outputGradient;
  for (const [index, layer] of [...layers.entries()].reverse()) {
    const { input, parameters } = layer.backward(gradient);
    for (const [role, values] of Object.entries(parameters))
      gradients.set(`${name}.${index}.${role}`, values);
    gradient = input;
  }
  return { input: gradient, gradients };
}

function noiseOf({ model, noise }: ReferenceShard): Matrix {
  const columns = model.generator.inputSize;
  return matrix(noise.length / columns, columns, noise);
}

function updateOf(model: ModelDescription, network: NetworkName, results: Map<string, ArrayLike<number>>) {
  const { tensors, floatLength } = updateLayout(modelLayout(model), network);
  const update = new Float64Array(floatLength);
  for (const { name, offset } of tensors) update.set(results.get(name)!, offset);
  return update;
}

export interface ReferenceOptions {
  readonly onRectified?: OnRectified;
  /** The loss alone is wanted: `update` stays empty. */
  readonly lossOnly?: boolean;
}

export function discriminatorHalf(
  shard: ReferenceShard,
  { onRectified = () => undefined, lossOnly = false }: ReferenceOptions = {},
): ReferenceHalf {
  const { model, pixels, realTarget = 1 } = shard;
  const generator = runNetwork(shard, 'generator', noiseOf(shard), onRectified);
  const rows = generator.output.rows;
  const real = map(matrix(rows, model.discriminator.inputSize, pixels), (value) => value / 127.5 - 1);
  const discriminator = runNetwork(shard, 'discriminator', stack(real, generator.output), onRectified);
  const logits = [...discriminator.output.values];
  const [ofReal, ofFake] = [logits.slice(0, rows), logits.slice(rows)];
  // Cross-entropy of the probability sigmoid(logit) with the target.
  const crossEntropy = (logit: number): number =>
    realTarget * softplus(-logit) + (1 - realTarget) * softplus(logit);
  const loss = mean(ofReal.map(crossEntropy)) + mean(ofFake.map(softplus));
  if (lossOnly) return { loss, update: new Float64Array() };

  const logitGradient = map(discriminator.output, (logit, row) =>
    row < rows ? (sigmoid(logit) - realTarget) / rows : sigmoid(logit) / rows,
  );
  const results = new Map<string, ArrayLike<number>>(
    backward('discriminator', discriminator, logitGradient).gradients,
  );
  results.set('discriminator.scalars', [loss, mean(ofReal.map(sigmoid)), mean(ofFake.map(sigmoid))]);
  for (const [index, { statistics }] of generator.layers.entries()) {
    for (const [role, values] of Object.entries(statistics ?? {})) {
      results.set(`generator.${index}.${role}`, values);
    }
  }
  return { loss, update: updateOf(model, 'discriminator', results) };
}

export function generatorHalf(
  shard: ReferenceShard,
  { onRectified = () => undefined, lossOnly = false }: ReferenceOptions = {},
): ReferenceHalf {
  const generator = runNetwork(shard, 'generator', noiseOf(shard), onRectified);
  const discriminator = runNetwork(shard, 'discriminator', generator.output, onRectified);
  const rows = generator.output.rows;
  const loss = mean([...discriminator.output.values].map((logit) => softplus(-logit)));
  if (lossOnly) return { loss, update: new Float64Array() };

  const logitGradient = map(discriminator.output, (logit) => -sigmoid(-logit) / rows);
  const fakes = backward('discriminator', discriminator, logitGradient).input;
  const { gradients } = backward('generator', generator, fakes);
  const results = new Map<string, ArrayLike<number>>([...gradients, ['generator.scalars', [loss]]]);
  return { loss, update: updateOf(shard.model, 'generator', results) };
}

/** The generator in evaluation mode, by its running statistics (in the layout's order). */
export function generate(
  model: ModelDescription,
  parameters: Float64Array,
  noise: Float32Array,
  statistics: ArrayLike<number>,
): Float64Array {
  const layout = modelLayout(model);
  const tensor = (name: string): Float64Array => {
    const slice = layout.generator.tensors.find((candidate) => candidate.name === name);
    if (slice !== undefined) return parameters.subarray(slice.offset, slice.offset + slice.size);
    const statistic = layout.statistics.find((candidate) => candidate.name === name)!;
    return Float64Array.from(statistics).subarray(statistic.offset, statistic.offset + statistic.size);
  };
  let x = matrix(noise.length / model.generator.inputSize, model.generator.inputSize, noise);
  for (const [index, layer] of model.generator.layers.entries()) {
    const parameter = (role: string): Float64Array => tensor(`generator.${index}.${role}`);
    if (layer.kind === 'batchNorm') {
      const [gamma, beta, running, variance] = ['gamma', 'beta', 'mean', 'variance'].map(parameter);
      x = map(x, (value, _row, column) => {
        const normal = (value - running![column]!) / Math.sqrt(variance![column]! + layer.epsilon);
        return normal * gamma![column]! + beta![column]!;
      });
    } else {
      x = runLayer(layer, { parameter, onRectified: () => undefined }, x).output;
    }
  }
  return x.values;
}
