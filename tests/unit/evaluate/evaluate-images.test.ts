import { beforeAll, describe, expect, it } from 'vitest';
import {
  DIGIT_TRAINING,
  trainDigitClassifier,
} from '../../../deploy/evaluate/classifier/train-digit-classifier.js';
import {
  evaluateImages,
  VALIDATION_IMAGES,
  type Evaluated,
} from '../../../deploy/evaluate/evaluate-images.js';
import { loadOnnxRuntime } from '../../../worker/engine/onnx/index.js';
import { noiseImages } from './points.js';
import { drawnDigits, smallDigits } from './small-digits.js';

const runtime = loadOnnxRuntime();
const digits = smallDigits();
const COUNT = 400;
let classifier: Float32Array = new Float32Array();

beforeAll(async () => {
  classifier = await trainDigitClassifier(runtime, digits.training, { ...DIGIT_TRAINING, batch: 64 });
});

async function scored(images: Uint8Array, threads = 1): Promise<Evaluated> {
  return evaluateImages(images, digits, { runtime, classifier, threads, onWork: () => Promise.resolve() });
}

/** Images of the set that show `digit`, as many as wanted. */
function only(digit: number, count: number): Uint8Array {
  const { images, labels } = drawnDigits(12 * count, 7);
  const chosen = [...labels.keys()].filter((index) => labels[index] === digit).slice(0, count);
  expect(chosen).toHaveLength(count);
  return Uint8Array.from(chosen.flatMap((index) => [...images.subarray(784 * index, 784 * (index + 1))]));
}

describe('scores', () => {
  it('of further real images are those of real images', async () => {
    const { samples, real, copies } = await scored(drawnDigits(COUNT, 3).images);
    expect(samples.count).toBe(COUNT);
    expect(real.count).toBe(COUNT);
    expect(Math.abs(samples.logLikelihood.nats - real.logLikelihood.nats)).toBeLessThan(30);
    expect(samples.frechetDistance).toBeLessThan(2 * real.frechetDistance);
    expect(samples.density).toBeGreaterThan(0.8);
    expect(samples.coverage).toBeGreaterThan(0.85);
    expect(samples.confidence).toBeGreaterThan(0.9);
    for (const share of samples.digits) expect(Math.abs(share - 0.1)).toBeLessThan(0.06);
    expect(Math.abs(copies.nearestIsTraining - copies.expected)).toBeLessThan(0.06);
    expect(copies.samples.smallest).toBeGreaterThan(0);
  });

  it('of one digit only tell of it: by balance, coverage and distance', async () => {
    const ofAll = await scored(drawnDigits(300, 3).images);
    const { samples } = await scored(only(4, 300));
    expect(samples.digits[4]).toBeGreaterThan(0.9);
    expect(samples.coverage).toBeLessThan(0.2);
    // The fours themselves are good ones.
    expect(samples.density).toBeGreaterThan(0.6);
    expect(samples.confidence).toBeGreaterThan(0.85);
    expect(samples.frechetDistance).toBeGreaterThan(10 * ofAll.samples.frechetDistance);
    expect(samples.logLikelihood.nats).toBeLessThan(ofAll.samples.logLikelihood.nats - 50);
  });

  it('of noise are bad', async () => {
    const { samples, real } = await scored(noiseImages(300, 1));
    expect(samples.coverage).toBeLessThan(0.05);
    expect(samples.logLikelihood.nats).toBeLessThan(real.logLikelihood.nats - 200);
    expect(samples.frechetDistance).toBeGreaterThan(10 * real.frechetDistance);
  });

  it('of copied training images tell of copies', async () => {
    const { copies, samples, real } = await scored(digits.training.images.slice(0, 784 * COUNT));
    expect(copies.samples).toEqual({ smallest: 0, percentile1: 0, median: 0 });
    expect(copies.nearestIsTraining).toBe(1);
    expect(copies.nearerThanTest).toBe(1);
    // They are the real images of the comparison.
    expect(samples).toEqual(real);
  });

  it('are the same numbers with two threads', async () => {
    const { images } = drawnDigits(250, 5);
    expect(await scored(images, 2)).toEqual(await scored(images, 1));
  });
});

describe('the work', () => {
  it('is told in order up to all of it, and ends when told so', async () => {
    const { images } = drawnDigits(150, 6);
    const told: number[] = [];
    let all = 0;
    const onWork = (done: number, total: number): Promise<void> => {
      told.push(done);
      all = total;
      return Promise.resolve();
    };
    await evaluateImages(images, digits, { runtime, classifier, threads: 1, onWork });
    expect(told.at(-1)).toBe(all);
    expect(told).toEqual([...told].sort((a, b) => a - b));

    const stopped = evaluateImages(images, digits, {
      runtime,
      classifier,
      threads: 1,
      onWork: (done) => (done > all / 2 ? Promise.reject(new Error('enough')) : Promise.resolve()),
    });
    await expect(stopped).rejects.toThrow('enough');
  });

  it('leaves the images of validation out of those that are scored as real ones', async () => {
    const count = digits.training.count - VALIDATION_IMAGES + 100;
    const { real } = await scored(drawnDigits(count, 8).images);
    expect(real.count).toBe(digits.training.count - VALIDATION_IMAGES);
  });
});
