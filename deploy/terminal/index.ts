export { progressView, type ProgressView } from './progress-view.js';
export { duration, grouped, scaleWords, workersWords } from './words.js';
