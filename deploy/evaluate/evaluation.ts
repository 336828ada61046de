import type { CopyCheck } from './nearest.js';
import type { ImagesOrigin } from './scored-images.js';
import type { Scores } from './scores.js';

/** All that is found out about a set of images: what `--json` prints. */
export interface Evaluation {
  readonly images: ImagesOrigin;
  readonly data: {
    readonly name: string;
    /** Of all images and labels. */
    readonly sha256: string;
    /** Of the training images: what a generator that was trained on them tells as its dataset. */
    readonly trainingSha256: string;
    /** Images. */
    readonly training: number;
    readonly test: number;
  };
  /** Frechet distances, density, coverage, digits and confidence compare under the same classifier only. */
  readonly classifier: {
    readonly sha256: string;
    /** Share of the test images that it sees right. */
    readonly testAccuracy: number;
    readonly engine: string;
  };
  readonly samples: Scores;
  /** The same of as many real images, from the training set. */
  readonly real: Scores;
  readonly copies: CopyCheck;
}
