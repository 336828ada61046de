import { invariant, modelLayout, updateLayout } from '../../../proto/index.js';
import type { ModelDescription, NetworkDescription, UpdateLayout } from '../../../proto/index.js';
import { logitLoss } from './adversarial-loss.js';
import { batchMeans } from './batch-sums.js';
import { GraphBuilder } from './graph-builder.js';
import type { Value } from './graph-builder.js';
import type { Saved } from './layer-rule.js';
import { backwardNetwork, forwardNetwork } from './network.js';
import type { NetworkForward, NetworkScope } from './network.js';
import type { OnnxGraph } from './schema.js';

/**
 * The two halves of a step for shards of B rows. Parameters are inputs under their names in the layout; outputs are the
 * tensors of UpdateLayout, under `resultName`. `kept` are the discriminator half's further outputs that the generator
 * half takes as inputs, under the same names.
 *
 * Examples are rows in `pixels` and `noise`, columns in all that is computed from them: see `dense`.
 */
export interface TrainingGraphs {
  readonly discriminatorHalf: OnnxGraph;
  readonly generatorHalf: OnnxGraph;
  readonly kept: readonly string[];
}

/** The output that computes a tensor of the update's vector: a gradient must not have its parameter's name. */
export const resultName = (tensor: string): string => `${tensor} result`;

/** @param realTarget the probability that D is taught to give a real image */
export function buildTrainingGraphs(
  model: ModelDescription,
  shardBatch: number,
  realTarget = 1,
): TrainingGraphs {
  const first = discriminatorHalf(model, shardBatch, realTarget);
  const second = generatorHalf(model, shardBatch, first.generator);
  return { discriminatorHalf: first.graph, generatorHalf: second, kept: first.kept };
}

const generatorIn = (graph: GraphBuilder, model: ModelDescription, rows: number): NetworkScope => ({
  graph,
  name: 'generator',
  network: model.generator,
  rows,
});

/** Without its last layer, the sigmoid: losses start from the logits. */
const discriminatorIn = (graph: GraphBuilder, model: ModelDescription, rows: number): NetworkScope => {
  const { inputSize, layers } = model.discriminator;
  const network: NetworkDescription = { inputSize, layers: layers.slice(0, -1) };
  return { graph, name: 'discriminator', network, rows };
};

const repeat = (target: number, count: number): number[] => new Array<number>(count).fill(target);

interface FirstHalf {
  readonly graph: OnnxGraph;
  readonly kept: readonly string[];
  /** The generator's pass, every value replaced by its kept name. */
  readonly generator: Pick<NetworkForward, 'output' | 'saved'>;
}

/** G(z) once, D on [real; fake] in one batch of 2B, gradients of D. */
function discriminatorHalf(model: ModelDescription, rows: number, realTarget: number): FirstHalf {
  const graph = new GraphBuilder('discriminator half');
  const imageSize = model.discriminator.inputSize;
  const noise = transposed(graph, graph.input('noise', [rows, model.generator.inputSize]));
  const generator = forwardNetwork(generatorIn(graph, model, rows), noise);

  const pixels = transposed(graph, graph.input('pixels', [rows, imageSize], 'uint8'));
  const real = scaledPixels(graph, pixels);
  const images = graph.node('Concat', [real, generator.output], [imageSize, 2 * rows], SIDE_BY_SIDE);
  const scope = discriminatorIn(graph, model, 2 * rows);
  const discriminator = forwardNetwork(scope, images);
  const targets = [...repeat(realTarget, rows), ...repeat(0, rows)];
  const loss = logitLoss(graph, discriminator.output, targets, rows);
  const gradients = backwardNetwork(scope, discriminator.saved, loss.gradient, {
    input: false,
    parameters: true,
  });

  const results = new Map([...gradients.parameters, ...generator.statistics]);
  results.set('discriminator.scalars', discriminatorScalars(graph, loss.losses, loss.wrongness, rows));
  outputUpdate(graph, updateLayout(modelLayout(model), 'discriminator'), results);
  const keeper = new Keeper(graph);
  const kept = keeper.keepPass(generator);
  return { graph: graph.graph(), kept: keeper.names, generator: kept };
}

/** The updated D on the kept fakes, gradients of G. */
function generatorHalf(model: ModelDescription, rows: number, generator: FirstHalf['generator']): OnnxGraph {
  const graph = new GraphBuilder('generator half');
  const reopen = (value: Value): Value => graph.input(value.name, value.dims, value.type);
  const scope = discriminatorIn(graph, model, rows);
  const discriminator = forwardNetwork(scope, reopen(generator.output));
  const loss = logitLoss(graph, discriminator.output, repeat(1, rows), rows);
  const fakes = backwardNetwork(scope, discriminator.saved, loss.gradient, {
    input: true,
    parameters: false,
  });
  invariant(fakes.input !== undefined, 'the discriminator passes a gradient to the fakes');
  const saved = generator.saved.map((values) => mapValues(values, reopen));
  const gradients = backwardNetwork(generatorIn(graph, model, rows), saved, fakes.input, {
    input: false,
    parameters: true,
  });

  const results = new Map(gradients.parameters);
  results.set('generator.scalars', batchMeans(graph, loss.losses));
  outputUpdate(graph, updateLayout(modelLayout(model), 'generator'), results);
  return graph.graph();
}

const SIDE_BY_SIDE = { attributes: { axis: { int: 1 } } } as const;

/** [rows, n] -> [n, rows] */
export function transposed(graph: GraphBuilder, value: Value): Value {
  return graph.node('Transpose', [value], [...value.dims].reverse(), { type: value.type });
}

/** uint8 -> [-1, 1] as x / 127.5 - 1 */
function scaledPixels(graph: GraphBuilder, pixels: Value): Value {
  const floats = graph.node('Cast', [pixels], pixels.dims, { attributes: { to: { int: 1 } } });
  const upToTwo = graph.node('Div', [floats, graph.scalar(127.5)], pixels.dims);
  return graph.node('Sub', [upToTwo, graph.scalar(1)], pixels.dims);
}

/**
 * [loss D, mean D(x), mean D(G(z))] as one small product. D is wrong about a real image with probability 1 - D(x), about
 * a fake with D(G(z)).
 */
function discriminatorScalars(graph: GraphBuilder, losses: Value, wrongness: Value, rows: number): Value {
  const share = 1 / rows;
  const columns = 4 * rows; // losses of real, losses of fake, wrongness of real, wrongness of fake
  const weights = new Float32Array(3 * columns);
  weights.fill(share, 0, 2 * rows);
  weights.fill(-share, columns + 2 * rows, columns + 3 * rows);
  weights.fill(share, 2 * columns + 3 * rows, 3 * columns);
  const inputs = [
    graph.constant('scalar weights', [3, columns], weights),
    graph.node('Concat', [losses, wrongness], [1, columns], SIDE_BY_SIDE),
    graph.constant('scalar offsets', [3, 1], [0, 1, 0]),
  ];
  return graph.node('Gemm', inputs, [3, 1], { attributes: { transB: { int: 1 } } });
}

/** Declares as outputs exactly the tensors of the update's vector. */
function outputUpdate(graph: GraphBuilder, layout: UpdateLayout, results: ReadonlyMap<string, Value>): void {
  invariant(results.size === layout.tensors.length, `the ${layout.network} half computes its layout`);
  for (const { name } of layout.tensors) {
    const value = results.get(name);
    invariant(value !== undefined, `the ${layout.network} half computes ${name}`);
    graph.output(resultName(name), value);
  }
}

/** Makes outputs of a graph's values, each once, whoever needs it. */
class Keeper {
  readonly names: string[] = [];
  private readonly known = new Map<string, Value>();

  constructor(private readonly graph: GraphBuilder) {}

  keepPass({ output, saved }: NetworkForward): FirstHalf['generator'] {
    return {
      output: this.keep(output),
      saved: saved.map((values) => mapValues(values, (value) => this.keep(value))),
    };
  }

  private keep(value: Value): Value {
    const known = this.known.get(value.name);
    if (known !== undefined) return known;
    const kept: Value = { ...value, name: `kept.${this.names.length}` };
    this.graph.output(kept.name, value);
    this.names.push(kept.name);
    this.known.set(value.name, kept);
    return kept;
  }
}

const mapValues = (values: Saved, map: (value: Value) => Value): Saved =>
  Object.fromEntries(Object.entries(values).map(([role, value]) => [role, map(value)]));
