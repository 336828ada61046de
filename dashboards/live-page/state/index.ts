/** What the page knows and how it says it: no DOM. */
export * from './curve.js';
export * from './event-log.js';
export * from './link-state.js';
export * from './numbers.js';
export * from './page-state.js';
export * from './ring-layout.js';
export * from './run-words.js';
export * from './sample-slider.js';
export * from './theme.js';
export * from './worker-words.js';
