import { modelLayout, updateLayout } from '../../../proto/index.js';
import type { ModelDescription, NetworkName } from '../../../proto/index.js';

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Initial parameters as a run draws them: dense layers in +-1/sqrt(fanIn), gamma 1, beta 0. */
export function initialParameters(model: ModelDescription, seed: number): Float32Array {
  const layout = modelLayout(model);
  const random = randomNumbers(seed);
  const parameters = new Float32Array(layout.parameterCount);
  for (const { offset, tensors } of [layout.generator, layout.discriminator]) {
    for (const tensor of tensors) {
      const start = offset + tensor.offset;
      const range = 1 / Math.sqrt(tensor.fanIn);
      for (let i = start; i < start + tensor.size; i++) {
        if (tensor.role === 'gamma') parameters[i] = 1;
        else if (tensor.role === 'beta') parameters[i] = 0;
        else parameters[i] = (2 * random() - 1) * range;
      }
    }
  }
  return parameters;
}

/** `initialParameters` away from the special values that a fresh batch norm has. */
export function disturbedParameters(model: ModelDescription, seed: number): Float32Array {
  const random = randomNumbers(seed + 1);
  return initialParameters(model, seed).map((value) => value * (1 + random()) + 0.1 * (random() - 0.5));
}

export interface Shard {
  readonly pixels: Uint8Array;
  readonly noise: Float32Array;
}

/** Bright bars at random places on black, and normal noise. */
export function makeShard(model: ModelDescription, rows: number, seed: number): Shard {
  const random = randomNumbers(seed);
  const imageSize = model.discriminator.inputSize;
  const pixels = new Uint8Array(rows * imageSize);
  for (let row = 0; row < rows; row++) {
    const start = Math.floor(random() * imageSize * 0.7);
    const length = Math.ceil(imageSize * (0.1 + 0.2 * random()));
    for (let i = start; i < start + length; i++)
      pixels[row * imageSize + i] = 128 + Math.floor(random() * 128);
  }
  const noise = Float32Array.from(
    { length: rows * model.generator.inputSize },
    () =>
      // Box and Muller's transform.
      Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
  return { pixels, noise };
}

export function emptyUpdate(model: ModelDescription, network: NetworkName): Float32Array {
  return new Float32Array(updateLayout(modelLayout(model), network).floatLength).fill(Number.NaN);
}

export interface Deviation {
  readonly tensor: string;
  /** Largest difference over largest magnitude; plain difference for a bias in front of a batch norm. */
  readonly error: number;
}

/**
 * How far each tensor of an update is from what was expected. The true gradient of a bias in front of a batch norm is
 * zero, so there is no magnitude to divide by.
 */
export function deviations(
  model: ModelDescription,
  network: NetworkName,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): Deviation[] {
  const { tensors } = updateLayout(modelLayout(model), network);
  return tensors.map(({ name, offset, size }) => {
    let difference = 0;
    let magnitude = 0;
    for (let i = offset; i < offset + size; i++) {
      // Not Math.max alone, which a NaN on either side must not slip through.
      const distance = Math.abs(actual[i]! - expected[i]!);
      difference = Number.isNaN(distance) ? Infinity : Math.max(difference, distance);
      magnitude = Math.max(magnitude, Math.abs(expected[i]!));
    }
    const [, layer, role] = name.split('.');
    const next = model[network].layers[Number(layer) + 1];
    const absolute = role === 'bias' && next?.kind === 'batchNorm';
    return { tensor: name, error: absolute || magnitude === 0 ? difference : difference / magnitude };
  });
}

/** Small, with every kind of layer that the tutorial's model has. */
export const SMALL_MODEL: ModelDescription = {
  generator: {
    inputSize: 7,
    layers: [
      { kind: 'dense', units: 9 },
      { kind: 'relu' },
      { kind: 'dense', units: 12 },
      { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 },
      { kind: 'relu' },
      { kind: 'dense', units: 20 },
      { kind: 'tanh' },
    ],
  },
  discriminator: {
    inputSize: 20,
    layers: [
      { kind: 'dense', units: 16 },
      { kind: 'leakyRelu', slope: 0.2 },
      { kind: 'dense', units: 1 },
      { kind: 'sigmoid' },
    ],
  },
};

/** Other widths, depths and activations, and layers in places where the tutorial has none. */
export const UNUSUAL_MODELS: Readonly<Record<string, ModelDescription>> = {
  'leaky generator with sigmoid output': {
    generator: {
      inputSize: 5,
      layers: [
        { kind: 'dense', units: 33 },
        { kind: 'batchNorm', epsilon: 1e-3, momentum: 0.5 },
        { kind: 'leakyRelu', slope: 0.1 },
        { kind: 'dense', units: 17 },
        { kind: 'tanh' },
        { kind: 'dense', units: 30 },
        { kind: 'sigmoid' },
      ],
    },
    discriminator: {
      inputSize: 30,
      layers: [
        { kind: 'dense', units: 13 },
        { kind: 'tanh' },
        { kind: 'dense', units: 11 },
        { kind: 'sigmoid' },
        { kind: 'dense', units: 1 },
        { kind: 'sigmoid' },
      ],
    },
  },
  'shallow, with a linear output': {
    generator: { inputSize: 3, layers: [{ kind: 'dense', units: 10 }] },
    discriminator: {
      inputSize: 10,
      layers: [{ kind: 'dense', units: 1 }, { kind: 'sigmoid' }],
    },
  },
  'batch norm first and last, slope above one': {
    generator: {
      inputSize: 6,
      layers: [
        { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 },
        { kind: 'dense', units: 24 },
        { kind: 'leakyRelu', slope: 1.5 },
        { kind: 'batchNorm', epsilon: 1e-2, momentum: 0.9 },
        { kind: 'relu' },
        { kind: 'dense', units: 12 },
        { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 },
      ],
    },
    discriminator: {
      inputSize: 12,
      layers: [
        { kind: 'relu' },
        { kind: 'dense', units: 40 },
        { kind: 'relu' },
        { kind: 'dense', units: 1 },
        { kind: 'sigmoid' },
      ],
    },
  },
};
