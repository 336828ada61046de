import { invariant } from '../../proto/index.js';
import type { OnnxRuntime } from '../../worker/engine/onnx/index.js';
import { IMAGE_SIZE } from './digit-images.js';
import type { LabelledDigits } from './labelled-digits.js';
import { copyCheck, type CopyCheck } from './nearest.js';
import { nearestWork, openingWork, Scorer, scoringWork } from './scorer.js';
import type { Scores } from './scores.js';
import { WorkMeter } from './work-meter.js';

/** Training images at the end of the training set on which sigma is chosen; never among those that are scored. */
export const VALIDATION_IMAGES = 1_000;
/** Test images whose nearest training image is looked for, to compare with. */
const COMPARED_TEST_IMAGES = 2_000;

export interface EvaluateOptions {
  readonly runtime: OnnxRuntime;
  /** Weights of the digit classifier. */
  readonly classifier: Float32Array;
  /** For what is exact with any number of them. */
  readonly threads: number;
  /** Awaited between two blocks of work, `done` of `total`; what it throws ends the work. */
  readonly onWork: (done: number, total: number) => Promise<void>;
}

export interface Evaluated {
  readonly samples: Scores;
  /** The same for as many real images, the first of the training set; fewer where that has not so many. */
  readonly real: Scores;
  readonly copies: CopyCheck;
}

/**
 * Scores images against a test set, and real images beside them. The same arguments give the same numbers.
 * @param images [n, 784], 0 black
 */
export async function evaluateImages(
  images: Uint8Array,
  digits: LabelledDigits,
  options: EvaluateOptions,
): Promise<Evaluated> {
  const { training, test } = digits;
  const count = images.length / IMAGE_SIZE;
  invariant(Number.isInteger(count) && count > 1, 'images are whole, and more than one');
  invariant(training.count > VALIDATION_IMAGES + 1, 'there are training images besides those of validation');
  const realCount = Math.min(count, training.count - VALIDATION_IMAGES);
  const real = part(training.images, 0, realCount);
  const validation = part(training.images, training.count - VALIDATION_IMAGES, training.count);
  const comparedCount = Math.min(COMPARED_TEST_IMAGES, test.count);
  const compared = spread(test.images, comparedCount);

  const testCount = test.count;
  const total =
    openingWork(testCount) +
    scoringWork(count + realCount, testCount, VALIDATION_IMAGES) +
    nearestWork(count + comparedCount, training.count);
  const meter = new WorkMeter(total, options.onWork);
  const scorer = await Scorer.open({ ...options, test: test.images, validation }, meter);
  try {
    const { scores: samples, toTest } = await scorer.score(images);
    const { scores: reals } = await scorer.score(real);
    const toTraining = await scorer.nearest(images, training.images);
    const testToTraining = await scorer.nearest(compared, training.images);
    const copies = copyCheck(
      { toTraining, toTest, testToTraining },
      { training: training.count, test: test.count },
    );
    return { samples, real: reals, copies };
  } finally {
    await scorer.close();
  }
}

/** `count` of the images, evenly over all of them: the first half of MNIST's test set is the more legible one. */
function spread(images: Uint8Array, count: number): Uint8Array {
  const step = images.length / IMAGE_SIZE / count;
  const chosen = new Uint8Array(count * IMAGE_SIZE);
  for (let i = 0; i < count; i++) {
    const index = Math.floor(i * step);
    chosen.set(part(images, index, index + 1), i * IMAGE_SIZE);
  }
  return chosen;
}

const part = (images: Uint8Array, first: number, end: number): Uint8Array =>
  images.subarray(first * IMAGE_SIZE, end * IMAGE_SIZE);
