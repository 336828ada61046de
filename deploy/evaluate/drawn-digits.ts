import { seenDigit } from './classifier/index.js';
import { DIGITS } from './digit-images.js';

/** What the classifier sees in a set of images. */
export interface DrawnDigits {
  /** Share of the images in which it sees each digit. */
  readonly digits: readonly number[]; // [10]
  /** Mean probability that it gives to the digit it sees. */
  readonly confidence: number;
}

/** @param probabilities [n, 10] */
export function drawnDigits(probabilities: Float32Array): DrawnDigits {
  const count = probabilities.length / DIGITS;
  const images = new Array<number>(DIGITS).fill(0);
  let confidence = 0;
  for (let image = 0; image < count; image++) {
    const digit = seenDigit(probabilities, image);
    images[digit] = (images[digit] as number) + 1;
    confidence += probabilities[image * DIGITS + digit] as number;
  }
  return { digits: images.map((seen) => seen / count), confidence: confidence / count };
}
