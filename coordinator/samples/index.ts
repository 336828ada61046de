/** The sample grids of a run, and what is drawn from them and from the history. */
export { greyPng, gridPng } from '../picture.js';
export { greyGif } from './grey-gif.js';
export { lossesPng } from './losses-plot.js';
export { progressGif } from './progress-gif.js';
export { runGrid } from './run-grid.js';
export { gridSize, type SampleFrame, type SampleGrid } from './sample-grid.js';
export { SampleShelf, type SampleShelfOptions } from './sample-shelf.js';
