import { gridSize, type SampleGrid } from '../../coordinator/samples/index.js';
import { UsageError } from '../../proto/index.js';

const MAX_SCALE = 8;
/** Of one picture: some seconds to compress. */
const MAX_PIXELS = 50_000_000;
/** GIF tells width and height in 16 bits. */
const MAX_SIDE = 65_535;

/**
 * How `count` square images of `imageSize` pixels lie in one picture. Throws UsageError where that is too large.
 * @param maxWidth in pixels: the images are enlarged as far as the picture stays within it
 */
export function layout(count: number, columns: number, imageSize: number, maxWidth: number): SampleGrid {
  const side = Math.sqrt(imageSize);
  const scaled = (scale: number): SampleGrid => ({
    count,
    columns,
    imageWidth: side,
    imageHeight: side,
    scale,
  });
  let scale = MAX_SCALE;
  while (scale > 1 && gridSize(scaled(scale)).width > maxWidth) scale--;
  const grid = scaled(scale);
  const { width, height } = gridSize(grid);
  if (width * height > MAX_PIXELS || Math.max(width, height) > MAX_SIDE)
    throw new UsageError(
      `--count: a picture of ${width} x ${height} pixels would be too large: ask for fewer images, or for NAME.idx`,
    );
  return grid;
}

/** Columns of a picture of `count` images, as square as it gets. */
export const squareColumns = (count: number): number => Math.ceil(Math.sqrt(count));
