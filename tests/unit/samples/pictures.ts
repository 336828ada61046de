import type { SampleGrid } from '../../../coordinator/samples/index.js';

/** Not square, and with a last row that is not full: what is mixed up shows. */
export const ODD_GRID: SampleGrid = { count: 5, columns: 3, imageWidth: 4, imageHeight: 6, scale: 2 };
export const DIGIT_GRID: SampleGrid = { count: 25, columns: 5, imageWidth: 28, imageHeight: 28, scale: 4 };

/** Noise, the same for the same seed. */
export function noise(grid: SampleGrid, seed: number): Uint8Array {
  const images = new Uint8Array(grid.count * grid.imageWidth * grid.imageHeight);
  let state = seed * 2 + 1;
  for (let i = 0; i < images.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    images[i] = state >>> 24;
  }
  return images;
}
