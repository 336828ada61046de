import type { OnnxRuntime } from '../../../worker/engine/onnx/index.js';
import { accuracyOf } from './accuracy.js';
import {
  classifierPath,
  keepClassifier,
  parametersSha256,
  readClassifier,
  type ClassifierOrigin,
  type StoredClassifier,
} from './classifier-cache.js';
import { DigitClassifier } from './digit-classifier.js';
import { DIGIT_NETWORK } from './digit-network.js';
import { DIGIT_TRAINING, trainDigitClassifier, type TrainingImages } from './train-digit-classifier.js';

export interface LoadOptions {
  readonly runtime: OnnxRuntime;
  readonly cacheFolder: string;
  /** Called with lines fit to show a user. */
  readonly say: (line: string) => void;
  /** Awaited during the training; what it throws ends it. `done` of `total` images. */
  readonly onWork?: (done: number, total: number) => Promise<void>;
}

/** Raised when a change of the code, not of the data below, changes a bit of what is trained. */
const METHOD_VERSION = 1;

export interface LoadedClassifier extends StoredClassifier {
  /** Share of the test images that it sees right. */
  readonly testAccuracy: number;
}

/** The classifier for these digits from the cache, else trained and kept. One that is damaged is made anew. */
export async function loadDigitClassifier(
  digits: {
    readonly sha256: string;
    readonly training: TrainingImages;
    readonly test: TrainingImages;
  },
  options: LoadOptions,
): Promise<LoadedClassifier> {
  const { runtime, cacheFolder } = options;
  const origin = {
    datasetSha256: digits.sha256,
    engine: `onnxruntime-node ${runtime.env.versions.node ?? 'of unknown version'}`,
    method: JSON.stringify({ version: METHOD_VERSION, network: DIGIT_NETWORK, training: DIGIT_TRAINING }),
  };
  const path = classifierPath(cacheFolder, origin);
  const classifier =
    (await readClassifier(path, origin)) ?? (await trained(digits.training, origin, path, options));
  return { ...classifier, testAccuracy: await accuracyOn(digits.test, classifier.parameters, runtime) };
}

async function trained(
  images: TrainingImages,
  origin: ClassifierOrigin,
  path: string,
  { runtime, say, onWork }: LoadOptions,
): Promise<StoredClassifier> {
  say('training the digit classifier, once; it is kept for the next time ...');
  let done = 0;
  const total = DIGIT_TRAINING.passes * images.labels.length;
  const parameters = await trainDigitClassifier(runtime, images, DIGIT_TRAINING, async (more) => {
    done += more;
    await onWork?.(done, total);
  });
  const classifier = { origin, sha256: parametersSha256(parameters), parameters };
  const failure = await keepClassifier(path, classifier);
  if (failure !== null)
    say(
      `the digit classifier cannot be kept (${failure}): it is trained anew each time, unless GAN_CACHE_DIR names another folder`,
    );
  return classifier;
}

async function accuracyOn(
  { images, labels }: TrainingImages,
  parameters: Float32Array,
  runtime: OnnxRuntime,
): Promise<number> {
  const classifier = await DigitClassifier.open(runtime, parameters);
  try {
    return accuracyOf((await classifier.classify(images)).probabilities, labels);
  } finally {
    await classifier.close();
  }
}
