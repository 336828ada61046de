import { basename, resolve } from 'node:path';
import { MNIST_FILES, SyntheticDigits } from '../../coordinator/dataset/index.js';
import { UsageError } from '../../proto/index.js';
import { sha256Of } from '../../proto/runtime/sha256.js';
import { DIGITS, IMAGE_SIZE, SIDE } from './digit-images.js';
import { folderFiles, mnistFiles, type FourFiles, type FourFilesOptions } from './four-files.js';

/** Images with the digit that each shows. */
export interface LabelledImages {
  readonly images: Uint8Array; // [count, 784]
  readonly labels: Uint8Array; // [count], 0 .. 9
  readonly count: number;
}

/** What generators are measured by: a training set, and a test set that none of them has seen. */
export interface LabelledDigits {
  /** Shown to the user; the bits are told by `sha256`. */
  readonly name: string;
  readonly training: LabelledImages;
  readonly test: LabelledImages;
  /** Of all images and labels. */
  readonly sha256: string;
  /** Of the training images: what a generator that was trained on them tells as its dataset. */
  readonly trainingSha256: string;
}

/**
 * Opens training and test set with their labels.
 * @param source `mnist`; `synthetic`, the drawn digits of seed 1 with a test set of another seed; or a folder that holds
 * MNIST's four files or others of that shape, plain or .gz
 * @throws UsageError for what will not do, OperationalError('dataset') when MNIST cannot be had,
 * OperationalError('aborted')
 */
export async function openLabelledDigits(source: string, options: FourFilesOptions): Promise<LabelledDigits> {
  if (source === 'synthetic') return syntheticDigits();
  const files = source === 'mnist' ? await mnistFiles(options) : await folderFiles(source);
  const training = labelled(files, 'train', source);
  const test = labelled(files, 'test', source);
  const trainingSha256 = sha256Of(training.images);
  const isMnist = trainingSha256 === MNIST_FILES['train-images'].sha256;
  return {
    name: isMnist ? 'MNIST' : basename(resolve(source)),
    training,
    test,
    sha256: jointSha256(training, test),
    trainingSha256,
  };
}

const jointSha256 = (...sets: readonly LabelledImages[]): string =>
  sha256Of(
    Buffer.from(sets.map(({ images, labels }) => `${sha256Of(images)} ${sha256Of(labels)}`).join('\n')),
  );

/** As many as MNIST has; the training set is that of a run with the default seed. */
const SYNTHETIC = { training: { seed: 1, count: 60_000 }, test: { seed: 2, count: 10_000 } } as const;

function syntheticDigits(): LabelledDigits {
  const drawn = ({ seed, count }: { readonly seed: number; readonly count: number }) => {
    const digits = new SyntheticDigits(seed, count);
    const images = new Uint8Array(count * IMAGE_SIZE);
    const labels = Uint8Array.from({ length: count }, (_, index) => {
      digits.draw(index, images, index * IMAGE_SIZE);
      return digits.label(index);
    });
    return { set: { images, labels, count }, sha256: digits.sha256 };
  };
  const training = drawn(SYNTHETIC.training);
  const test = drawn(SYNTHETIC.test).set;
  return {
    name: 'synthetic digits',
    training: training.set,
    test,
    sha256: jointSha256(training.set, test),
    trainingSha256: training.sha256,
  };
}

function labelled(files: FourFiles, set: 'train' | 'test', source: string): LabelledImages {
  const images = files[`${set}-images`];
  const labels = files[`${set}-labels`];
  const [count = 0, rows, columns] = images.dimensions;
  if (images.dimensions.length !== 3 || rows !== SIDE || columns !== SIDE)
    throw new UsageError(
      `--data: ${source}: ${MNIST_FILES[`${set}-images`].name} holds ${images.dimensions.join(' x ')} bytes; images x ${SIDE} x ${SIDE} were expected`,
    );
  if (labels.dimensions.length !== 1 || labels.dimensions[0] !== count)
    throw new UsageError(
      `--data: ${source}: ${MNIST_FILES[`${set}-labels`].name} holds ${labels.dimensions.join(' x ')} labels; one for each of ${count} images was expected`,
    );
  const wrong = labels.data.findIndex((label) => label >= DIGITS);
  if (wrong >= 0)
    throw new UsageError(
      `--data: ${source}: ${MNIST_FILES[`${set}-labels`].name} gives image ${wrong} the label ${labels.data[wrong]}; 0 to 9 were expected`,
    );
  return { images: images.data.subarray(0, count * IMAGE_SIZE), labels: labels.data, count };
}
