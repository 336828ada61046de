import type { DensityCoverage } from './density-coverage.js';
import type { DrawnDigits } from './drawn-digits.js';
import type { LogLikelihood } from './parzen.js';

/** What a set of images scores against the test set. */
export interface Scores extends DensityCoverage, DrawnDigits {
  /** Images that were scored. */
  readonly count: number;
  /** Of the test images, in nats, under Parzen windows around these images. */
  readonly logLikelihood: LogLikelihood;
  /** Between these images and the test images, in the features of the digit classifier. */
  readonly frechetDistance: number;
}
