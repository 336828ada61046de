import type { PenPath } from './pen-path.js';

/** Width of the edge over which ink fades to paper, in pixels; MNIST's digits were shrunk, hence soft. */
const EDGE_PX = 1.3;

/**
 * Inks `path` with a round pen of `radiusPx` into a square image of `side` x `side` bytes at `offset`: 255 inside the
 * stroke, 0 outside, and a soft edge between. Overwrites the image. `nearest` is room for side x side numbers.
 */
export function inkPath(
  path: PenPath,
  radiusPx: number,
  side: number,
  nearest: Float64Array,
  out: Uint8Array,
  offset: number,
): void {
  const reach = radiusPx + EDGE_PX / 2;
  nearest.fill(reach * reach);
  for (let i = 1; i < path.count; i++) {
    if (path.starts[i] === 1) continue;
    inkLine(path.x[i - 1] ?? 0, path.y[i - 1] ?? 0, path.x[i] ?? 0, path.y[i] ?? 0, reach, side, nearest);
  }
  const size = side * side;
  for (let pixel = 0; pixel < size; pixel++) {
    const squared = nearest[pixel] ?? 0;
    if (squared >= reach * reach) {
      out[offset + pixel] = 0;
      continue;
    }
    const depth = Math.min((reach - Math.sqrt(squared)) / EDGE_PX, 1);
    out[offset + pixel] = Math.floor(255 * depth * depth * (3 - 2 * depth) + 0.5);
  }
}

/** Lowers `nearest` (squared distances) at the pixels within `reach` of the line from a to b. */
function inkLine(
  ax: number,
  ay: number,
  bx: number,
  by: number,
  reach: number,
  side: number,
  nearest: Float64Array,
): void {
  const dx = bx - ax;
  const dy = by - ay;
  const inverse = 1 / Math.max(dx * dx + dy * dy, 1e-12);
  // A pixel's centre lies half a pixel beyond its index.
  const firstX = Math.max(0, Math.ceil(Math.min(ax, bx) - reach - 0.5));
  const lastX = Math.min(side - 1, Math.floor(Math.max(ax, bx) + reach - 0.5));
  const firstY = Math.max(0, Math.ceil(Math.min(ay, by) - reach - 0.5));
  const lastY = Math.min(side - 1, Math.floor(Math.max(ay, by) + reach - 0.5));
  for (let y = firstY; y <= lastY; y++) {
    const py = y + 0.5 - ay;
    for (let x = firstX; x <= lastX; x++) {
      const px = x + 0.5 - ax;
      const t = Math.min(Math.max((px * dx + py * dy) * inverse, 0), 1);
      const ex = px - t * dx;
      const ey = py - t * dy;
      const squared = ex * ex + ey * ey;
      const pixel = y * side + x;
      if (squared < (nearest[pixel] ?? 0)) nearest[pixel] = squared;
    }
  }
}
