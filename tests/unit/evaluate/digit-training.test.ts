import { describe, expect, it, onTestFinished } from 'vitest';
import { seenDigit, DigitClassifier } from '../../../deploy/evaluate/classifier/index.js';
import { buildDigitTrainingGraph, gradientName } from '../../../deploy/evaluate/classifier/digit-graphs.js';
import { DIGIT_PARAMETERS, DIGIT_TENSORS } from '../../../deploy/evaluate/classifier/digit-network.js';
import {
  DIGIT_TRAINING,
  trainDigitClassifier,
} from '../../../deploy/evaluate/classifier/train-digit-classifier.js';
import { parametersSha256 } from '../../../deploy/evaluate/classifier/classifier-cache.js';
import { accuracyOf } from '../../../deploy/evaluate/classifier/accuracy.js';
import { fillNormal, RandomWords } from '../../../proto/random.js';
import { loadOnnxRuntime, openSession, tensorsOver } from '../../../worker/engine/onnx/index.js';
import { noiseImages } from './points.js';
import { drawnDigits } from './small-digits.js';

const runtime = loadOnnxRuntime();
const ROWS = 4;

/** Weights as far from their first values as training brings them. */
function someParameters(): Float32Array {
  const parameters = new Float32Array(DIGIT_PARAMETERS);
  DIGIT_TENSORS.forEach(({ offset, size, fanIn }, step) => {
    const tensor = parameters.subarray(offset, offset + size);
    fillNormal(tensor, { seed: 3, stream: 'probe', step });
    tensor.forEach((value, i) => (tensor[i] = value / Math.sqrt(fanIn)));
  });
  return parameters;
}

/** The network in float64, straight from its definition: features [512], [128] and logits [10] of one image. */
function plainForward(
  parameters: ArrayLike<number>,
  image: Uint8Array,
): { features: number[]; logits: number[] } {
  const dense = (input: number[], layer: number): number[] => {
    const weight = DIGIT_TENSORS[2 * layer];
    const bias = DIGIT_TENSORS[2 * layer + 1];
    if (weight === undefined || bias === undefined) throw new Error('three dense layers');
    return Array.from({ length: bias.size }, (_, unit) =>
      input.reduce(
        (sum, value, i) => sum + value * (parameters[weight.offset + i * bias.size + unit] as number),
        parameters[bias.offset + unit] as number,
      ),
    );
  };
  const relu = (values: number[]): number[] => values.map((value) => Math.max(0, value));
  const hidden = relu(
    dense(
      Array.from(image, (pixel) => pixel / 255),
      0,
    ),
  );
  const features = relu(dense(hidden, 1));
  return { features, logits: dense(features, 2) };
}

function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - top));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}

const imageOf = (images: Uint8Array, row: number): Uint8Array => images.subarray(784 * row, 784 * (row + 1));

function plainLoss(parameters: ArrayLike<number>, images: Uint8Array, labels: readonly number[]): number {
  const losses = labels.map(
    (label, row) => -Math.log(softmax(plainForward(parameters, imageOf(images, row)).logits)[label] ?? 0),
  );
  return losses.reduce((a, b) => a + b, 0) / labels.length;
}

describe("the classifier's training graph", () => {
  const images = noiseImages(ROWS, 1);
  const labels = [3, 0, 9, 3];

  async function run(parameters: Float32Array): Promise<{ losses: Float32Array; gradient: Float32Array }> {
    const session = await openSession(runtime, 'cpu', buildDigitTrainingGraph(ROWS));
    onTestFinished(() => session.release());
    const columns = DIGIT_TENSORS.map((slice) =>
      slice.role === 'weight' ? slice : { ...slice, shape: [slice.size, 1] },
    );
    const targets = new Float32Array(10 * ROWS);
    labels.forEach((label, row) => (targets[label * ROWS + row] = 1));
    const results = await session.run({
      ...tensorsOver(runtime, parameters, columns),
      pixels: new runtime.Tensor('uint8', images, [ROWS, 784]),
      targets: new runtime.Tensor('float32', targets, [10, ROWS]),
    });
    const gradient = new Float32Array(DIGIT_PARAMETERS);
    for (const { name, offset } of DIGIT_TENSORS)
      gradient.set(results[gradientName(name)]?.data as Float32Array, offset);
    return { losses: results['loss']?.data as Float32Array, gradient };
  }

  it('gives the softmax cross-entropy of each image, also where the classifier is very sure', async () => {
    for (const scale of [1, 30]) {
      const parameters = someParameters().map((value) => value * scale);
      const { losses } = await run(parameters);
      labels.forEach((label, row) => {
        const { logits } = plainForward(parameters, imageOf(images, row));
        const top = Math.max(...logits);
        const logSum = top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
        const expected = logSum - (logits[label] ?? 0);
        expect(Math.abs((losses[row] ?? 0) - expected)).toBeLessThan(1e-5 * (1 + Math.abs(top)));
      });
    }
  });

  it('gives its gradient: the slope of the loss in float64', async () => {
    const parameters = someParameters();
    const { gradient } = await run(parameters);
    const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const words = new RandomWords({ seed: 9, stream: 'probe' });
    for (const { name, offset, size } of DIGIT_TENSORS) {
      for (let pick = 0; pick < 2; pick++) {
        const index = offset + words.below(size);
        const moved = Float64Array.from(parameters);
        const h = 1e-4;
        const slope = [1, -1].map((sign) => {
          moved[index] = (parameters[index] as number) + sign * h;
          return plainLoss(moved, images, labels);
        });
        const expected = ((slope[0] ?? 0) - (slope[1] ?? 0)) / (2 * h);
        expect(Math.abs((gradient[index] as number) - expected), `${name} at ${index}`).toBeLessThan(
          1e-4 * largest,
        );
      }
    }
  });

  it('is the same network that is asked afterwards', async () => {
    const parameters = someParameters();
    const classifier = await DigitClassifier.open(runtime, parameters);
    onTestFinished(() => classifier.close());
    const { features, probabilities } = await classifier.classify(images);
    for (let row = 0; row < ROWS; row++) {
      const plain = plainForward(parameters, imageOf(images, row));
      plain.features.forEach((value, i) => expect(features[row * 128 + i]).toBeCloseTo(value, 4));
      softmax(plain.logits).forEach((value, i) => expect(probabilities[row * 10 + i]).toBeCloseTo(value, 5));
    }
  });
});

describe('training the classifier', () => {
  const training = { ...DIGIT_TRAINING, passes: 2, batch: 64 };

  it('teaches it digits that it has not seen', async () => {
    const parameters = await trainDigitClassifier(runtime, drawnDigits(3_000, 1), training);
    const classifier = await DigitClassifier.open(runtime, parameters);
    onTestFinished(() => classifier.close());
    const unseen = drawnDigits(300, 2);
    const { probabilities } = await classifier.classify(unseen.images);
    expect(accuracyOf(probabilities, unseen.labels)).toBeGreaterThan(0.95);
  });

  it('gives the same bits each time, and others from another seed', async () => {
    const digits = drawnDigits(200, 1);
    const train = async (seed: number): Promise<string> =>
      parametersSha256(await trainDigitClassifier(runtime, digits, { ...training, passes: 1, seed }));
    const first = await train(1);
    expect(await train(1)).toBe(first);
    expect(await train(2)).not.toBe(first);
  });

  it('tells its progress after every batch, and ends when told so', async () => {
    const digits = drawnDigits(200, 1);
    const parts: number[] = [];
    const stopped = trainDigitClassifier(runtime, digits, training, (images) => {
      parts.push(images);
      return parts.length < 4 ? Promise.resolve() : Promise.reject(new Error('enough'));
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(parts).toEqual([64, 64, 64, 64]);
  });
});

describe('what the classifier sees', () => {
  it('is the most probable digit', () => {
    const probabilities = new Float32Array(20).fill(0.05, 0, 10);
    probabilities[7] = 0.55;
    probabilities[10 + 2] = 1;
    expect([seenDigit(probabilities, 0), seenDigit(probabilities, 1)]).toEqual([7, 2]);
    expect(accuracyOf(probabilities, Uint8Array.of(7, 3))).toBe(0.5);
  });
});
