import { invariant } from '../../../proto/index.js';
import { fillUniform, permutation, RandomWords } from '../../../proto/random.js';
import {
  openSession,
  tensorsOver,
  type OnnxRuntime,
  type Tensors,
} from '../../../worker/engine/onnx/index.js';
import { DIGITS, IMAGE_SIZE, SIDE } from '../digit-images.js';
import { buildDigitTrainingGraph, gradientName } from './digit-graphs.js';
import { DIGIT_PARAMETERS, DIGIT_TENSORS } from './digit-network.js';

/**
 * How the classifier is trained: part of what its bits follow from, and of its name in the cache.
 * Stochastic gradient descent with Nesterov's momentum, the rate falling linearly to zero; every image is shifted anew
 * in each pass by up to `shift` pixels either way.
 */
export const DIGIT_TRAINING = {
  seed: 1,
  passes: 5,
  batch: 128,
  learningRate: 0.1,
  momentum: 0.9,
  shift: 1,
} as const;
export type DigitTraining = { readonly [Name in keyof typeof DIGIT_TRAINING]: number };

export interface TrainingImages {
  readonly images: Uint8Array; // [count, 784]
  readonly labels: Uint8Array; // [count], 0 .. 9
}

/**
 * Trains the digit classifier: the same bits for the same arguments, ONNX Runtime and kind of processor.
 * @param onPart awaited after every batch, with its number of images; what it throws ends the training
 * @returns parameters, laid out as DIGIT_TENSORS
 */
export async function trainDigitClassifier(
  runtime: OnnxRuntime,
  { images, labels }: TrainingImages,
  training: DigitTraining = DIGIT_TRAINING,
  onPart?: (images: number) => Promise<void>,
): Promise<Float32Array> {
  const { seed, passes, batch, learningRate } = training;
  const batches = Math.floor(labels.length / batch);
  invariant(batches > 0, `a batch of ${batch} images is there`);
  const parameters = initialDigitParameters(seed);
  const velocity = new Float32Array(DIGIT_PARAMETERS);
  const gradient = new Float32Array(DIGIT_PARAMETERS);
  const columns = DIGIT_TENSORS.map((slice) =>
    slice.role === 'weight' ? slice : { ...slice, shape: [slice.size, 1] },
  );
  const pixels = new runtime.Tensor('uint8', new Uint8Array(batch * IMAGE_SIZE), [batch, IMAGE_SIZE]);
  const targets = new runtime.Tensor('float32', new Float32Array(DIGITS * batch), [DIGITS, batch]);
  const feeds: Tensors = { ...tensorsOver(runtime, parameters, columns), pixels, targets };
  const gradients = tensorsOver(
    runtime,
    gradient,
    columns.map((slice) => ({
      ...slice,
      name: gradientName(slice.name),
      shape: slice.role === 'weight' ? slice.shape : [1, slice.size],
    })),
  );
  const session = await openSession(runtime, 'cpu', buildDigitTrainingGraph(batch));
  try {
    for (let pass = 0; pass < passes; pass++) {
      const order = permutation(labels.length, { seed, stream: 'image-order', step: pass });
      const shifts = new RandomWords({ seed, stream: 'image-order', step: pass, shard: 1 });
      for (let index = 0; index < batches; index++) {
        const chosen = order.subarray(index * batch, (index + 1) * batch);
        fillBatch({ images, labels }, chosen, training.shift, shifts, pixels.data, targets.data);
        await session.run(feeds, gradients);
        const done = (pass * batches + index) / (passes * batches);
        descend(parameters, velocity, gradient, learningRate * (1 - done), training.momentum);
        await onPart?.(batch);
      }
    }
  } finally {
    await session.release();
  }
  return parameters;
}

/** Uniform in +-1 / sqrt(fan in). */
function initialDigitParameters(seed: number): Float32Array {
  const parameters = new Float32Array(DIGIT_PARAMETERS);
  DIGIT_TENSORS.forEach(({ offset, size, fanIn }, index) => {
    const bound = 1 / Math.sqrt(fanIn);
    fillUniform(
      parameters.subarray(offset, offset + size),
      { seed, stream: 'parameters', step: index },
      -bound,
      bound,
    );
  });
  return parameters;
}

function fillBatch(
  { images, labels }: TrainingImages,
  chosen: Uint32Array,
  shift: number,
  shifts: RandomWords,
  pixels: Uint8Array,
  targets: Float32Array,
): void {
  const batch = chosen.length;
  targets.fill(0);
  pixels.fill(0);
  chosen.forEach((index, row) => {
    targets[(labels[index] ?? 0) * batch + row] = 1;
    const down = shifts.below(2 * shift + 1) - shift;
    const right = shifts.below(2 * shift + 1) - shift;
    const from = images.subarray(index * IMAGE_SIZE, (index + 1) * IMAGE_SIZE);
    const to = pixels.subarray(row * IMAGE_SIZE, (row + 1) * IMAGE_SIZE);
    const width = SIDE - Math.abs(right);
    for (let y = Math.max(0, down); y < Math.min(SIDE, SIDE + down); y++) {
      const start = (y - down) * SIDE + Math.max(0, -right);
      to.set(from.subarray(start, start + width), y * SIDE + Math.max(0, right));
    }
  });
}

/** v = momentum v + g; p -= rate (g + momentum v): Nesterov's momentum as Sutskever et al. 2013 write it. */
function descend(
  parameters: Float32Array,
  velocity: Float32Array,
  gradient: Float32Array,
  rate: number,
  momentum: number,
): void {
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i] as number;
    const v = Math.fround(momentum * (velocity[i] as number) + g);
    velocity[i] = v;
    parameters[i] = (parameters[i] as number) - rate * (g + momentum * v);
  }
}
