import { invariant, modelLayout, updateLayout } from '../../../proto/index.js';
import type { ModelLayout, NetworkName, ParameterSlice, TensorSlice } from '../../../proto/index.js';
import type { Engine, EngineName, EngineOptions, GeneratorWeights } from '../engine.js';
import { buildEvaluationGraph } from './evaluation-graph.js';
import type { InferenceSession, OnnxProvider, OnnxRuntime, TypedTensor } from '../onnx-runtime.js';
import type { OnnxGraph } from './schema.js';
import { openSession } from './session.js';
import { outputShape, tensorsOver } from './tensors.js';
import type { Tensors } from './tensors.js';
import { buildStatisticsGraph } from './statistics-graph.js';
import { buildTrainingGraphs, resultName } from './training-graphs.js';
import { canRunUncopied, runUncopied, withRefusedOutput } from './uncopied-run.js';

/** Rows that `generate` computes at once: what it needs of memory does not grow with what it is asked for. */
const GENERATED_ROWS = 256;

/** One of the two graphs of a step, ready to run. */
interface Half {
  readonly graph: OnnxGraph;
  readonly session: InferenceSession;
  run(feeds: Tensors, fetches: Tensors): Promise<void>;
  readonly slices: readonly TensorSlice[];
  readonly floatLength: number;
  /** Tensors over a result vector that has been filled before, so that a caller's few vectors cost nothing anew. */
  readonly results: WeakMap<Float32Array, Tensors>;
}

/** What one slot holds between the halves, and the tensors over it. */
interface Slot {
  readonly noise: Float32Array;
  readonly kept: Tensors;
  readonly discriminatorFeeds: Tensors;
  readonly generatorFeeds: Tensors;
}

/**
 * Gradients by ONNX Runtime, through graphs that hold the whole of a half, backward pass included. All tensors lie over
 * memory that is made once: parameters and results over the caller's vectors, the rest here. ONNX Runtime fills the
 * result tensors it is given.
 */
export class OnnxEngine implements Engine {
  /** Throws OperationalError('engine-unavailable') where `provider` does not run here. */
  static async create(
    name: EngineName,
    provider: OnnxProvider,
    runtime: OnnxRuntime,
    options: EngineOptions,
  ): Promise<OnnxEngine> {
    const layout = modelLayout(options.model);
    const graphs = buildTrainingGraphs(options.model, options.shardBatch, options.realTarget);
    const uncopied = provider === 'cpu' && (await canRunUncopied(runtime));
    const open = async (network: NetworkName, graph: OnnxGraph): Promise<Half> => {
      const { tensors: slices, floatLength } = updateLayout(layout, network);
      const session = await openSession(
        runtime,
        provider,
        uncopied ? withRefusedOutput(graph) : graph,
        options.threads,
      );
      const run: Half['run'] = async (feeds, fetches) => {
        if (uncopied) await runUncopied(session, feeds, fetches);
        else await session.run(feeds, fetches);
      };
      return { graph, session, run, slices, floatLength, results: new WeakMap() };
    };
    const discriminator = await open('discriminator', graphs.discriminatorHalf);
    const generator = await open('generator', graphs.generatorHalf);
    return new OnnxEngine(name, provider, runtime, options, layout, discriminator, generator, graphs.kept);
  }

  readonly version: string;
  /** The parameters as the training graphs take them: all but weights are columns. */
  private readonly trainingParameters: Tensors;
  private readonly pixels: TypedTensor<'uint8'>;
  /** Made when first used: a worker may have a slot for every shard of a step and seldom need more than a few. */
  private readonly slots = new Map<number, Slot>();
  /** Opened when first used: most workers never generate. */
  private evaluation: InferenceSession | undefined;
  private statistics: InferenceSession | undefined;

  private constructor(
    readonly name: EngineName,
    private readonly provider: OnnxProvider,
    private readonly runtime: OnnxRuntime,
    private readonly options: EngineOptions,
    private readonly layout: ModelLayout,
    private readonly discriminator: Half,
    private readonly generator: Half,
    private readonly kept: readonly string[],
  ) {
    const { model, shardBatch, parameters } = options;
    this.checkParameters();
    this.version = `onnxruntime-node ${runtime.env.versions.node ?? 'of unknown version'}`;
    const networks = [layout.generator, layout.discriminator];
    const slices = networks.flatMap(({ tensors, offset }) =>
      tensors.map((slice) => ({ ...slice, offset: offset + slice.offset })),
    );
    this.trainingParameters = tensorsOver(runtime, parameters, slices.map(asTrained));
    const pixelShape = [shardBatch, model.discriminator.inputSize];
    this.pixels = new runtime.Tensor('uint8', new Uint8Array(sizeOf(pixelShape)), pixelShape);
  }

  async discriminatorHalf(
    slotIndex: number,
    pixels: Uint8Array,
    noise: Float32Array,
    out: Float32Array,
  ): Promise<void> {
    this.checkParameters();
    invariant(slotIndex >= 0 && slotIndex < this.options.slots, `slot ${slotIndex} is one of the engine's`);
    const slot = this.slots.get(slotIndex) ?? this.makeSlot();
    this.slots.set(slotIndex, slot);
    invariant(pixels.length === this.pixels.size, 'the pixels fill one shard');
    invariant(noise.length === slot.noise.length, 'the noise fills one shard');
    this.pixels.data.set(pixels);
    slot.noise.set(noise);
    const fetches = { ...this.results(this.discriminator, out), ...slot.kept };
    await this.discriminator.run(slot.discriminatorFeeds, fetches);
  }

  async generatorHalf(slotIndex: number, out: Float32Array): Promise<void> {
    this.checkParameters();
    const slot = this.slots.get(slotIndex);
    invariant(slot !== undefined, `a discriminator half has filled slot ${slotIndex}`);
    await this.generator.run(slot.generatorFeeds, this.results(this.generator, out));
  }

  async generate(noise: Float32Array, { parameters, statistics }: GeneratorWeights): Promise<Float32Array> {
    const { runtime, layout, options } = this;
    const noiseSize = options.model.generator.inputSize;
    const imageSize = options.model.discriminator.inputSize;
    const rows = noise.length / noiseSize;
    invariant(Number.isInteger(rows), 'the noise is whole rows');
    invariant(parameters.length === layout.generator.size, "the generator's parameters fill their layout");
    invariant(statistics.length === layout.statisticCount, 'the statistics fill their layout');
    this.evaluation ??= await openSession(runtime, this.provider, buildEvaluationGraph(options.model));
    const constants = {
      ...tensorsOver(runtime, parameters, layout.generator.tensors),
      ...tensorsOver(runtime, statistics, layout.statistics),
    };
    const images = new Float32Array(rows * imageSize);
    for (let first = 0; first < rows; first += GENERATED_ROWS) {
      const count = Math.min(GENERATED_ROWS, rows - first);
      const part = (vector: Float32Array, size: number) =>
        new runtime.Tensor('float32', vector.subarray(first * size, (first + count) * size), [count, size]);
      await this.evaluation.run(
        { ...constants, noise: part(noise, noiseSize) },
        { images: part(images, imageSize) },
      );
    }
    return images;
  }

  async batchStatistics(noise: Float32Array, parameters: Float32Array): Promise<Float32Array> {
    const { runtime, layout, options } = this;
    const shape = [options.shardBatch, options.model.generator.inputSize];
    invariant(noise.length === sizeOf(shape), 'the noise fills one shard');
    invariant(parameters.length === layout.generator.size, "the generator's parameters fill their layout");
    this.statistics ??= await openSession(
      runtime,
      this.provider,
      buildStatisticsGraph(options.model, options.shardBatch),
    );
    const found = new Float32Array(layout.statisticCount);
    const rows = layout.statistics.map((slice) => ({ ...slice, shape: [1, slice.size] }));
    await this.statistics.run(
      {
        ...tensorsOver(runtime, parameters, layout.generator.tensors.map(asTrained)),
        noise: new runtime.Tensor('float32', noise, shape),
      },
      tensorsOver(runtime, found, rows),
    );
    return found;
  }

  async close(): Promise<void> {
    await this.discriminator.session.release();
    await this.generator.session.release();
    await this.evaluation?.release();
    await this.statistics?.release();
  }

  private makeSlot(): Slot {
    const { runtime, options, discriminator, pixels } = this;
    const make = (shape: readonly number[]) =>
      new runtime.Tensor('float32', new Float32Array(sizeOf(shape)), shape);
    const noise = make([options.shardBatch, options.model.generator.inputSize]);
    const kept: Tensors = Object.fromEntries(
      this.kept.map((name) => [name, make(outputShape(discriminator.graph, name))]),
    );
    return {
      noise: noise.data,
      kept,
      discriminatorFeeds: { ...this.trainingParameters, pixels, noise },
      generatorFeeds: { ...this.trainingParameters, ...kept },
    };
  }

  private checkParameters(): void {
    const attached = this.options.parameters.length === this.layout.parameterCount;
    invariant(attached, 'the memory of the parameters has not been grown');
  }

  private results(half: Half, out: Float32Array): Tensors {
    const known = half.results.get(out);
    if (known !== undefined) return known;
    invariant(out.length === half.floatLength, `the results of the ${half.graph.name} fill their vector`);
    const slices = half.slices.map((slice) => {
      const name = resultName(slice.name);
      return { ...slice, name, shape: outputShape(half.graph, name) };
    });
    const tensors = tensorsOver(this.runtime, out, slices);
    half.results.set(out, tensors);
    return tensors;
  }
}

/** In training all parameters but weights are columns. */
const asTrained = <Slice extends ParameterSlice>(slice: Slice): Slice =>
  slice.role === 'weight' ? slice : { ...slice, shape: [slice.size, 1] };

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
