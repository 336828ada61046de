/** How good images are: the scores of `gan-cluster evaluate`. */
export { evaluate, type EvaluateRequest } from './evaluate.js';
export { evaluateImages, type Evaluated, type EvaluateOptions } from './evaluate-images.js';
export type { Evaluation } from './evaluation.js';
export { loadDigitClassifier } from './classifier/index.js';
export { openLabelledDigits } from './labelled-digits.js';
export { checkReportPlace, writeReport } from './report-file.js';
export { reportText } from './report-text.js';
