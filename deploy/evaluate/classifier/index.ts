/** The digit classifier in whose features images are compared. */
export { seenDigit } from './accuracy.js';
export { DigitClassifier, type Classified } from './digit-classifier.js';
export { FEATURES } from './digit-network.js';
export { loadDigitClassifier } from './load-digit-classifier.js';
