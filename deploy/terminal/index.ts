export { progressView, type ProgressView } from './progress-view.js';
export { duration, grouped } from './words.js';
