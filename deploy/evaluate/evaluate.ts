import { setImmediate } from 'node:timers/promises';
import { OperationalError, UsageError } from '../../proto/index.js';
import { loadOnnxRuntime } from '../../worker/engine/onnx/index.js';
import { newestGenerator } from '../generator/index.js';
import { loadDigitClassifier } from './classifier/index.js';
import { evaluateImages, VALIDATION_IMAGES } from './evaluate-images.js';
import type { Evaluation } from './evaluation.js';
import { openLabelledDigits } from './labelled-digits.js';
import { openScoredImages } from './scored-images.js';

/** Below this a training set has no room for validation and for real images to compare with. */
const MIN_TRAINING_IMAGES = 2 * VALIDATION_IMAGES;
/** Density and coverage look for so many neighbours at least, Frechet distances for a covariance that means something. */
const MIN_TEST_IMAGES = 100;

export interface EvaluateRequest {
  /** A generator's file, a run's folder, an IDX file or a folder of PNG images; undefined: the newest run in `runs/`. */
  readonly path: string | undefined;
  /** `mnist`, `synthetic`, or a folder with MNIST's four files. */
  readonly data: string;
  /** Images to score. */
  readonly count: number;
  /** Of a generator's noise. */
  readonly seed: number;
  readonly cacheFolder: string;
  /** For what is exact with any number of them. */
  readonly threads: number;
  readonly interrupt: AbortSignal;
  /** Lines fit to show a user. */
  readonly say: (line: string) => void;
  /** What is being done, and how much of it is. */
  readonly onProgress: (words: string, done: number, total: number) => void;
}

/**
 * Scores a generator, or images, against a test set. Rejects with UsageError for what will not do,
 * OperationalError('dataset') when MNIST cannot be had, OperationalError('aborted') after an interrupt.
 */
export async function evaluate(request: EvaluateRequest): Promise<Evaluation> {
  const { count, seed, cacheFolder, interrupt, say, onProgress } = request;
  const working = (words: string) => async (done: number, total: number) => {
    onProgress(words, done, total);
    // Native code computes on this thread: without a turn of the loop no signal would be heard.
    await setImmediate();
    if (interrupt.aborted) throw new OperationalError('aborted', 'the evaluation was interrupted');
  };

  const path = request.path ?? (await newestGenerator());
  const { images, origin } = await openScoredImages(path, { count, seed, onWork: working('getting images') });
  const digits = await openLabelledDigits(request.data, { cacheFolder, signal: interrupt, onProgress: say });
  const few = (found: number, what: string, needed: number): UsageError =>
    new UsageError(`--data: ${request.data} holds ${found} ${what} images; at least ${needed} were expected`);
  if (digits.training.count < MIN_TRAINING_IMAGES)
    throw few(digits.training.count, 'training', MIN_TRAINING_IMAGES);
  if (digits.test.count < MIN_TEST_IMAGES) throw few(digits.test.count, 'test', MIN_TEST_IMAGES);

  const runtime = loadOnnxRuntime();
  const classifier = await loadDigitClassifier(digits, {
    runtime,
    cacheFolder,
    say,
    onWork: working('training the digit classifier'),
  });
  const evaluated = await evaluateImages(images, digits, {
    runtime,
    classifier: classifier.parameters,
    threads: request.threads,
    onWork: working('scoring'),
  });
  return {
    images: origin,
    data: {
      name: digits.name,
      sha256: digits.sha256,
      trainingSha256: digits.trainingSha256,
      training: digits.training.count,
      test: digits.test.count,
    },
    classifier: {
      sha256: classifier.sha256,
      testAccuracy: classifier.testAccuracy,
      engine: classifier.origin.engine,
    },
    ...evaluated,
  };
}
