import type { ImageBlock } from './pairwise-distances.js';

/** Lowers `nearest`, a squared distance a column, to the smallest one of its column in the block. */
export function lowerToColumns({ rows, columns, squared }: ImageBlock, nearest: Int32Array): void {
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let column = 0; column < columns; column++) {
      const distance = squared[start + column] as number;
      if (distance < (nearest[column] as number)) nearest[column] = distance;
    }
  }
}

/** Before anything was seen. */
export const unseen = (count: number): Int32Array => new Int32Array(count).fill(0x7f_ff_ff_ff);

/** How far images are from their nearest training image, in pixels of 0 to 1. */
export interface NearestDistances {
  readonly smallest: number;
  /** A hundredth of the images is nearer. */
  readonly percentile1: number;
  readonly median: number;
}

/** @param squared in grey levels, one an image */
export function nearestDistances(squared: Int32Array): NearestDistances {
  const sorted = Int32Array.from(squared).sort();
  const at = (share: number): number =>
    Math.sqrt(sorted[Math.floor(share * (sorted.length - 1))] as number) / 255;
  return { smallest: at(0), percentile1: at(0.01), median: at(0.5) };
}

/** Whether samples are copies of training images. */
export interface CopyCheck {
  readonly samples: NearestDistances;
  /** The same for test images, which are nobody's copies. */
  readonly test: NearestDistances;
  /** Share of the samples that are nearer to a training image than 99 of 100 test images are: 1% when they are like them. */
  readonly nearerThanTest: number;
  /**
   * Share of the samples whose nearest real image is one of the training set, not of the test set; ties count half.
   * Without copying both sets are alike to a sample, so that it is `expected`, the training set's share of all real
   * images. All samples copied make it 1.
   */
  readonly nearestIsTraining: number;
  readonly expected: number;
}

/**
 * All squared, in grey levels.
 * @param toTraining from each sample to its nearest training image
 * @param toTest from each sample to its nearest test image
 * @param testToTraining from test images to their nearest training image
 */
export function copyCheck(
  {
    toTraining,
    toTest,
    testToTraining,
  }: Readonly<Record<'toTraining' | 'toTest' | 'testToTraining', Int32Array>>,
  { training, test }: { readonly training: number; readonly test: number },
): CopyCheck {
  const ofTest = nearestDistances(testToTraining);
  const limit = (255 * ofTest.percentile1) ** 2;
  let nearer = 0;
  let isTraining = 0;
  toTraining.forEach((distance, sample) => {
    // The limit has been through a square root.
    if (distance < limit - 0.5) nearer += 1;
    isTraining += distance === toTest[sample] ? 0.5 : Number(distance < (toTest[sample] as number));
  });
  return {
    samples: nearestDistances(toTraining),
    test: ofTest,
    nearerThanTest: nearer / toTraining.length,
    nearestIsTraining: isTraining / toTraining.length,
    expected: training / (training + test),
  };
}
