export { progressView, type ProgressView } from './progress-view.js';
export { WorkBar } from './work-bar.js';
export { duration, grouped, scaleWords, workersWords } from './words.js';
