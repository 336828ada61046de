import { z } from 'zod';
import { invariant } from './errors.js';

/**
 * The model as data: both networks as lists of layers. Engines, exporters and the parameter layout all read this one
 * description; nothing is written twice.
 */
const layerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('dense'), units: z.int().min(1).max(65_536) }),
  /** Over the rows of one shard; `momentum` is the weight of the old running value. */
  z.strictObject({
    kind: z.literal('batchNorm'),
    epsilon: z.number().positive(),
    momentum: z.number().min(0).max(1),
  }),
  z.strictObject({ kind: z.literal('relu') }),
  z.strictObject({ kind: z.literal('leakyRelu'), slope: z.number().positive() }),
  z.strictObject({ kind: z.literal('tanh') }),
  z.strictObject({ kind: z.literal('sigmoid') }),
]);

const networkSchema = z.strictObject({
  inputSize: z.int().min(1).max(65_536),
  layers: z.array(layerSchema).min(1).max(64),
});

export const modelSchema = z.strictObject({
  /** Noise [B, generator.inputSize] -> images [B, discriminator.inputSize] in [-1, 1]. */
  generator: networkSchema,
  /** Images -> probability of being real, [B, 1]. Ends in dense(1), sigmoid; losses are computed from the logit. */
  discriminator: networkSchema,
});

export type LayerDescription = z.infer<typeof layerSchema>;
export type NetworkDescription = z.infer<typeof networkSchema>;
export type ModelDescription = z.infer<typeof modelSchema>;
export const NETWORK_NAMES = ['generator', 'discriminator'] as const;
export type NetworkName = (typeof NETWORK_NAMES)[number];

const batchNorm: LayerDescription = { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 };

/** The model of the MindSpore tutorial "GAN for Image Generation". */
export const TUTORIAL_MODEL: ModelDescription = {
  generator: {
    inputSize: 100,
    layers: [
      { kind: 'dense', units: 128 },
      { kind: 'relu' },
      { kind: 'dense', units: 256 },
      batchNorm,
      { kind: 'relu' },
      { kind: 'dense', units: 512 },
      batchNorm,
      { kind: 'relu' },
      { kind: 'dense', units: 1024 },
      batchNorm,
      { kind: 'relu' },
      { kind: 'dense', units: 784 },
      { kind: 'tanh' },
    ],
  },
  discriminator: {
    inputSize: 784,
    layers: [
      { kind: 'dense', units: 512 },
      { kind: 'leakyRelu', slope: 0.2 },
      { kind: 'dense', units: 256 },
      { kind: 'leakyRelu', slope: 0.2 },
      { kind: 'dense', units: 1 },
      { kind: 'sigmoid' },
    ],
  },
};

export type TensorRole = 'weight' | 'bias' | 'gamma' | 'beta';

/** A named slice of a flat float32 vector. */
export interface TensorSlice {
  readonly name: string;
  readonly shape: readonly number[];
  /** In elements from the start of the vector that the slice belongs to. */
  readonly offset: number;
  readonly size: number;
}

export interface ParameterSlice extends TensorSlice {
  readonly network: NetworkName;
  /** Index into the network's list of layers. */
  readonly layer: number;
  readonly role: TensorRole;
  /** Rows feeding one output; decides the initial range. */
  readonly fanIn: number;
}

export interface StatisticSlice extends TensorSlice {
  readonly layer: number;
  readonly role: 'mean' | 'variance';
  readonly momentum: number;
}

export interface NetworkLayout {
  readonly tensors: readonly ParameterSlice[];
  /** Number of float32 elements. */
  readonly size: number;
  /** Where this network starts within the vector of all parameters. */
  readonly offset: number;
}

/**
 * Where everything lies in the flat vectors:
 *  - parameters: the generator's tensors, then the discriminator's, densely packed in layer order; a dense layer has
 *    weight [in, out] (row-major) then bias [out]; a batch norm gamma [n] then beta [n];
 *  - statistics: for each batch norm of the generator its mean [n], then its variance [n].
 */
export interface ModelLayout {
  readonly generator: NetworkLayout;
  readonly discriminator: NetworkLayout;
  readonly parameterCount: number;
  readonly statistics: readonly StatisticSlice[];
  readonly statisticCount: number;
}

interface SizedLayer {
  readonly layer: LayerDescription;
  readonly index: number;
  readonly inputSize: number;
  readonly outputSize: number;
}

/** The layers of `network` with the number of features that go in and come out of each. */
export function sizedLayers(network: NetworkDescription): SizedLayer[] {
  let size = network.inputSize;
  return network.layers.map((layer, index) => {
    const inputSize = size;
    if (layer.kind === 'dense') size = layer.units;
    return { layer, index, inputSize, outputSize: size };
  });
}

function networkLayout(name: NetworkName, network: NetworkDescription, offset: number): NetworkLayout {
  const tensors: ParameterSlice[] = [];
  let size = 0;
  const add = (layer: number, role: TensorRole, shape: number[], fanIn: number): void => {
    const count = shape.reduce((a, b) => a * b, 1);
    tensors.push({
      name: `${name}.${layer}.${role}`,
      network: name,
      layer,
      role,
      shape,
      offset: size,
      size: count,
      fanIn,
    });
    size += count;
  };
  for (const { layer, index, inputSize, outputSize } of sizedLayers(network)) {
    if (layer.kind === 'dense') {
      add(index, 'weight', [inputSize, outputSize], inputSize);
      add(index, 'bias', [outputSize], inputSize);
    } else if (layer.kind === 'batchNorm') {
      add(index, 'gamma', [outputSize], 1);
      add(index, 'beta', [outputSize], 1);
    }
  }
  return { tensors, size, offset };
}

/** Computes the layout; throws on a model that cannot be trained (a broken invariant: descriptions are ours). */
export function modelLayout(model: ModelDescription): ModelLayout {
  const [logit, sigmoid] = model.discriminator.layers.slice(-2);
  invariant(
    logit?.kind === 'dense' && logit.units === 1 && sigmoid?.kind === 'sigmoid',
    'the discriminator ends in dense(1), sigmoid',
  );
  invariant(
    !model.discriminator.layers.some((layer) => layer.kind === 'batchNorm'),
    'the discriminator has no batch norm: real and fake images go through it in one batch',
  );
  invariant(
    sizedLayers(model.generator).at(-1)?.outputSize === model.discriminator.inputSize,
    'the generator makes what the discriminator reads',
  );
  const generator = networkLayout('generator', model.generator, 0);
  const discriminator = networkLayout('discriminator', model.discriminator, generator.size);
  const statistics: StatisticSlice[] = [];
  let statisticCount = 0;
  for (const { layer, index, outputSize } of sizedLayers(model.generator)) {
    if (layer.kind !== 'batchNorm') continue;
    for (const role of ['mean', 'variance'] as const) {
      const name = `generator.${index}.${role}`;
      statistics.push({
        name,
        layer: index,
        role,
        momentum: layer.momentum,
        shape: [outputSize],
        offset: statisticCount,
        size: outputSize,
      });
      statisticCount += outputSize;
    }
  }
  return {
    generator,
    discriminator,
    parameterCount: generator.size + discriminator.size,
    statistics,
    statisticCount,
  };
}
