import type { SampleGrid } from './sample-grid.js';

/** What workers draw: 25 square images of `imageSize` pixels, shown five in a row. */
export const runGrid = (imageSize: number): SampleGrid => ({
  count: 25,
  columns: 5,
  imageWidth: Math.sqrt(imageSize),
  imageHeight: Math.sqrt(imageSize),
  scale: 4,
});
