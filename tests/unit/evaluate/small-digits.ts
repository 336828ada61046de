import { encodeIdx, SyntheticDigits } from '../../../coordinator/dataset/index.js';
import type { LabelledDigits, LabelledImages } from '../../../deploy/evaluate/labelled-digits.js';

/** Drawn digits of `seed`, each shown as often as the others by and large. */
export function drawnDigits(count: number, seed: number): LabelledImages {
  const digits = new SyntheticDigits(seed, count);
  const images = new Uint8Array(count * 784);
  const labels = Uint8Array.from({ length: count }, (_, index) => {
    digits.draw(index, images, index * 784);
    return digits.label(index);
  });
  return { images, labels, count };
}

/** A training set and a test set that take little time. */
export function smallDigits(training = 3_000, test = 400): LabelledDigits {
  return {
    name: 'a few drawn digits',
    training: drawnDigits(training, 1),
    test: drawnDigits(test, 2),
    sha256: 'a'.repeat(64),
    trainingSha256: 'b'.repeat(64),
  };
}

/** Content of an IDX file of images. */
export const idxOf = (images: Uint8Array): Uint8Array =>
  encodeIdx({ dimensions: [images.length / 784, 28, 28], data: images });

/** MNIST's four files, with these digits in them, by name. */
export function fourFiles({
  training,
  test,
}: Pick<LabelledDigits, 'training' | 'test'>): Map<string, Uint8Array> {
  const labels = (set: LabelledImages): Uint8Array =>
    encodeIdx({ dimensions: [set.labels.length], data: set.labels });
  return new Map([
    ['train-images-idx3-ubyte', idxOf(training.images)],
    ['train-labels-idx1-ubyte', labels(training)],
    ['t10k-images-idx3-ubyte', idxOf(test.images)],
    ['t10k-labels-idx1-ubyte', labels(test)],
  ]);
}
