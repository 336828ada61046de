import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { invariant, modelLayout, updateLayout } from '../../../proto/index.js';
import type {
  ModelLayout,
  NetworkDescription,
  NetworkName,
  TensorSlice,
  UpdateLayout,
} from '../../../proto/index.js';
import type { Engine, EngineName, EngineOptions, GeneratorWeights } from '../engine.js';
import { loadBackend } from './backend.js';
import type { LoadedBackend, TfjsBackend } from './backend.js';
import { batchMoments, runNetwork, runningMoments } from './network.js';
import type { MomentsOf, TensorByName } from './network.js';

/**
 * Gradients by TensorFlow.js and its own automatic differentiation: the independent reference of the ONNX engine, and
 * the way to libtensorflow. Between the halves a slot keeps the noise alone; the second half runs the generator again,
 * from which the same parameters make the same bits.
 */
export class TfjsEngine implements Engine {
  /** Throws OperationalError('engine-unavailable') where the backend is not to be had. */
  static async create(name: EngineName, backend: TfjsBackend, options: EngineOptions): Promise<TfjsEngine> {
    return new TfjsEngine(name, backend, await loadBackend(backend), options);
  }

  readonly version: string;
  private readonly tf: LoadedBackend['tf'];
  private readonly layout: ModelLayout;
  private readonly updates: Readonly<Record<NetworkName, UpdateLayout>>;
  private readonly noise = new Map<number, Float32Array>();

  private constructor(
    readonly name: EngineName,
    private readonly backend: TfjsBackend,
    loaded: LoadedBackend,
    private readonly options: EngineOptions,
  ) {
    this.tf = loaded.tf;
    this.version = loaded.version;
    this.layout = modelLayout(options.model);
    invariant(options.parameters.length === this.layout.parameterCount, 'the parameters fill their layout');
    this.updates = {
      discriminator: updateLayout(this.layout, 'discriminator'),
      generator: updateLayout(this.layout, 'generator'),
    };
  }

  async discriminatorHalf(
    slot: number,
    pixels: Uint8Array,
    noise: Float32Array,
    out: Float32Array,
  ): Promise<void> {
    const { shardBatch: rows, model, slots } = this.options;
    invariant(slot >= 0 && slot < slots, `slot ${slot} is one of the engine's`);
    invariant(pixels.length === rows * model.discriminator.inputSize, 'the pixels fill one shard');
    invariant(noise.length === rows * model.generator.inputSize, 'the noise fills one shard');
    const kept = Float32Array.from(noise);
    this.noise.set(slot, kept);
    await this.compute('discriminator', out, (results) => this.discriminatorResults(pixels, kept, results));
  }

  async generatorHalf(slot: number, out: Float32Array): Promise<void> {
    const noise = this.noise.get(slot);
    invariant(noise !== undefined, `a discriminator half has filled slot ${slot}`);
    await this.compute('generator', out, (results) => this.generatorResults(noise, results));
  }

  async generate(noise: Float32Array, { parameters, statistics }: GeneratorWeights): Promise<Float32Array> {
    const { tf, options, layout } = this;
    const columns = options.model.generator.inputSize;
    const rows = noise.length / columns;
    invariant(Number.isInteger(rows), 'the noise is whole rows');
    invariant(parameters.length === layout.generator.size, "the generator's parameters fill their layout");
    invariant(statistics.length === layout.statisticCount, 'the statistics fill their layout');
    if (rows === 0) return new Float32Array(0);
    await this.select();
    return tf.tidy(() => {
      const running = runningMoments(this.tensorsOf(layout.statistics, statistics));
      const images = this.generate2d(
        this.tensorsOf(layout.generator.tensors, parameters),
        running,
        tf.tensor2d(noise, [rows, columns]),
      );
      return Float32Array.from(images.dataSync<'float32'>());
    });
  }

  async batchStatistics(noise: Float32Array, parameters: Float32Array): Promise<Float32Array> {
    const { tf, layout, options } = this;
    invariant(parameters.length === layout.generator.size, "the generator's parameters fill their layout");
    invariant(
      noise.length === options.shardBatch * options.model.generator.inputSize,
      'the noise fills one shard',
    );
    await this.select();
    return tf.tidy(() => {
      const results: Results = new Map();
      this.fakes(this.tensorsOf(layout.generator.tensors, parameters), this.observedMoments(results), noise);
      const statistics = new Float32Array(layout.statisticCount);
      for (const { name, offset } of layout.statistics)
        statistics.set(found(results.get(name), name).dataSync<'float32'>(), offset);
      return statistics;
    });
  }

  close(): Promise<void> {
    this.noise.clear();
    return Promise.resolve();
  }

  private discriminatorResults(pixels: Uint8Array, noise: Float32Array, results: Results): void {
    const { tf, options } = this;
    const { shardBatch: rows, model, realTarget = 1 } = options;
    const fakes = this.fakes(this.parameterTensors('generator'), this.observedMoments(results), noise);
    const bytes = tf.tensor2d(Float32Array.from(pixels), [rows, model.discriminator.inputSize]);
    const images = tf.concat2d([tf.sub(tf.div(bytes, 127.5), 1), fakes], 0); // [2 B, imageSize]
    let means: Tensor[] = [];
    const loss = this.differentiate('discriminator', results, (parameters) => {
      const logits = this.logits(parameters, images); // [2 B, 1]
      const [real, fake] = tf.split(logits, 2) as [Tensor2D, Tensor2D];
      means = [real, fake].map((half) => tf.keep(tf.mean(tf.sigmoid(half))));
      // -log(1 - p) takes its share of the loss where a real image's target leaves a doubt.
      const ofReal = tf.add(tf.softplus(tf.neg(real)), tf.mul(real, 1 - realTarget));
      return tf.add(tf.mean(ofReal), tf.mean(tf.softplus(fake)));
    });
    results.set('discriminator.scalars', tf.stack([loss, ...means]));
    tf.dispose(means);
  }

  /** The batch's own moments, which are kept among the results. */
  private observedMoments(results: Results): MomentsOf {
    return (name, x) => {
      const moments = batchMoments(this.tf)(name, x);
      results.set(`${name}.mean`, moments.mean).set(`${name}.variance`, moments.variance);
      return moments;
    };
  }

  private generatorResults(noise: Float32Array, results: Results): void {
    const { tf } = this;
    const discriminator = this.parameterTensors('discriminator');
    const loss = this.differentiate('generator', results, (parameters) => {
      const fakes = this.fakes(parameters, batchMoments(tf), noise);
      return tf.mean(tf.softplus(tf.neg(this.logits(discriminator, fakes))));
    });
    results.set('generator.scalars', loss);
  }

  /** Adds the gradients of `loss` by the network's parameters to `results`; returns its value. */
  private differentiate(
    network: NetworkName,
    results: Results,
    loss: (parameters: TensorByName) => Tensor,
  ): Scalar {
    const { tf, layout } = this;
    const names = layout[network].tensors.map(({ name }) => name);
    const known = this.parameterTensors(network);
    const { value, grads } = tf.valueAndGrads((...tensors: Tensor[]) => {
      const byName = new Map(names.map((name, i) => [name, tensors[i]]));
      return loss((name) => found(byName.get(name), name)) as Scalar;
    })(names.map(known));
    names.forEach((name, i) => results.set(name, found(grads[i], name)));
    return value;
  }

  /** Runs `fill`, then copies what it computed into `out`, all of it. */
  private async compute(
    network: NetworkName,
    out: Float32Array,
    fill: (results: Results) => void,
  ): Promise<void> {
    const layout = this.updates[network];
    invariant(out.length === layout.floatLength, `the results of the ${network} half fill their vector`);
    await this.select();
    this.tf.tidy(() => {
      const results: Results = new Map();
      fill(results);
      for (const { name, offset, size } of layout.tensors) {
        const values = found(results.get(name), name).dataSync<'float32'>();
        invariant(values.length === size, `${name} has ${size} elements`);
        out.set(values, offset);
      }
    });
  }

  private fakes(parameters: TensorByName, moments: MomentsOf, noise: Float32Array): Tensor2D {
    const { shardBatch, model } = this.options;
    const z = this.tf.tensor2d(noise, [shardBatch, model.generator.inputSize]);
    return this.generate2d(parameters, moments, z);
  }

  private generate2d(tensor: TensorByName, moments: MomentsOf, z: Tensor2D): Tensor2D {
    const network = this.options.model.generator;
    return runNetwork({ tf: this.tf, name: 'generator', network, tensor, moments }, z);
  }

  /** The discriminator without its last layer, the sigmoid: losses start from the logits. */
  private logits(tensor: TensorByName, images: Tensor2D): Tensor2D {
    const { inputSize, layers } = this.options.model.discriminator;
    const network: NetworkDescription = { inputSize, layers: layers.slice(0, -1) };
    return runNetwork(
      { tf: this.tf, name: 'discriminator', network, tensor, moments: batchMoments(this.tf) },
      images,
    );
  }

  private parameterTensors(network: NetworkName): TensorByName {
    const { offset, size, tensors } = this.layout[network];
    return this.tensorsOf(tensors, this.options.parameters.subarray(offset, offset + size));
  }

  private tensorsOf(slices: readonly TensorSlice[], vector: Float32Array): TensorByName {
    const byName = new Map(
      slices.map(({ name, shape, offset, size }) => [
        name,
        this.tf.tensor(vector.subarray(offset, offset + size), [...shape]),
      ]),
    );
    return (name) => found(byName.get(name), name);
  }

  private async select(): Promise<void> {
    if (this.tf.getBackend() !== this.backend) await this.tf.setBackend(this.backend);
  }
}

/** Tensors of the update's vector, by name. */
type Results = Map<string, Tensor>;

function found(tensor: Tensor | undefined, name: string): Tensor {
  invariant(tensor !== undefined, `the tensor ${name} is known`);
  return tensor;
}
