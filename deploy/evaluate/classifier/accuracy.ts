import { DIGITS } from '../digit-images.js';

/** The digit that the classifier sees in an image. @param probabilities [n, 10] */
export function seenDigit(probabilities: Float32Array, image: number): number {
  let digit = 0;
  for (let other = 1; other < DIGITS; other++)
    if ((probabilities[image * DIGITS + other] as number) > (probabilities[image * DIGITS + digit] as number))
      digit = other;
  return digit;
}

/** Share of the images whose digit is seen right. @param probabilities [n, 10] @param labels [n] */
export function accuracyOf(probabilities: Float32Array, labels: Uint8Array): number {
  let right = 0;
  labels.forEach((label, image) => {
    if (seenDigit(probabilities, image) === label) right += 1;
  });
  return right / labels.length;
}
