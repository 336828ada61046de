import { modelLayout, NETWORK_NAMES, RECIPES, TUTORIAL_MODEL } from '../../../proto/index.js';
import type { ModelDescription, ModelLayout, NetworkName, RunSpec } from '../../../proto/index.js';
import { fillNormal, fillUniform } from '../../../proto/random.js';

/** A model with everything that the tutorial's lacks: other widths, batch norms at odd places, a sigmoid at the end. */
export const ODD_MODEL: ModelDescription = {
  generator: {
    inputSize: 7,
    layers: [
      { kind: 'batchNorm', epsilon: 1e-3, momentum: 0.8 },
      { kind: 'dense', units: 33 },
      { kind: 'leakyRelu', slope: 0.3 },
      { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 },
      { kind: 'dense', units: 20 },
      { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 },
      { kind: 'batchNorm', epsilon: 1e-2, momentum: 0.7 },
      { kind: 'tanh' },
      { kind: 'dense', units: 64 },
      { kind: 'sigmoid' },
    ],
  },
  discriminator: {
    inputSize: 64,
    layers: [
      { kind: 'tanh' },
      { kind: 'dense', units: 21 },
      { kind: 'relu' },
      { kind: 'dense', units: 9 },
      { kind: 'sigmoid' },
      { kind: 'dense', units: 1 },
      { kind: 'sigmoid' },
    ],
  },
};

export const MODELS = { tutorial: TUTORIAL_MODEL, odd: ODD_MODEL } as const;
export const MODEL_NAMES = ['tutorial', 'odd'] as const;
/** Every network of these models, for `describe.each`. */
export const NETWORKS = MODEL_NAMES.flatMap((model) => NETWORK_NAMES.map((network) => ({ model, network })));

export interface TrainedModel {
  readonly model: ModelDescription;
  readonly layout: ModelLayout;
  readonly parameters: Float32Array;
  readonly statistics: Float32Array;
}

/** A model with parameters and statistics that are far from their first values, so that leaving one out shows. */
export function trainedModel(model: ModelDescription): TrainedModel {
  const layout = modelLayout(model);
  const parameters = new Float32Array(layout.parameterCount);
  for (const network of [layout.generator, layout.discriminator]) {
    for (const [index, { role, offset, size, fanIn }] of network.tensors.entries()) {
      const start = network.offset + offset;
      const reach = role === 'weight' ? 2 / Math.sqrt(fanIn) : 0.5;
      const [low, high] = role === 'gamma' ? [-1.5, 1.5] : [-reach, reach];
      const key = { seed: 5, stream: 'probe', step: network.offset, shard: index } as const;
      fillUniform(parameters.subarray(start, start + size), key, low, high);
    }
  }
  const statistics = new Float32Array(layout.statisticCount);
  for (const [index, { role, offset, size }] of layout.statistics.entries()) {
    const [low, high] = role === 'mean' ? [-1, 1] : [0.05, 2];
    const key = { seed: 6, stream: 'probe', shard: index } as const;
    fillUniform(statistics.subarray(offset, offset + size), key, low, high);
  }
  return { model, layout, parameters, statistics };
}

export function noiseRows(model: ModelDescription, count: number): Float32Array {
  const noise = new Float32Array(count * model.generator.inputSize);
  fillNormal(noise, { seed: 7, stream: 'generate' });
  return noise;
}

/** What a network of `model` reads, [count, inputSize]: noise, or images in [-1, 1] with the values that pixels have. */
export function inputRows(model: ModelDescription, network: NetworkName, count: number): Float32Array {
  return network === 'generator' ? noiseRows(model, count) : imagesOf(pixelRows(model, count));
}

/** Pixels of every brightness, [count, imageSize]. */
export function pixelRows(model: ModelDescription, count: number): Uint8Array {
  const values = new Float32Array(count * model.discriminator.inputSize);
  fillUniform(values, { seed: 8, stream: 'probe' }, 0, 256);
  return Uint8Array.from(values);
}

/** To [-1, 1], as engines do it. */
export const imagesOf = (pixels: Uint8Array): Float32Array =>
  Float32Array.from(pixels, (value) => value / 127.5 - 1);

export const STATE_SHA256 = 'd'.repeat(64);

export function runSpec(model: ModelDescription): RunSpec {
  const tutorial = RECIPES['tutorial'];
  if (tutorial === undefined) throw new Error('there is a recipe called tutorial');
  return {
    version: 1,
    seed: 41,
    model,
    recipe: tutorial.recipe,
    dataset: { name: 'MNIST', sha256: 'a'.repeat(64), images: 60_000 },
    shards: 4,
    shardBatch: 32,
    engine: 'onnx-cpu',
    engineFingerprint: 'b'.repeat(64),
  };
}
