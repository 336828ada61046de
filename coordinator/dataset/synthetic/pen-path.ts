import { DIGIT_GLYPHS, type Glyph, type Stroke } from './digit-strokes.js';
import type { SmallRandom } from './small-random.js';

/** Straight pieces a curve between two points is drawn with. */
const PIECES = 5;
/** Room for the longest glyph: about 16 points of PIECES pieces. */
const MAX_VERTICES = 256;

/** A pen's way over the paper as straight lines, in pixels, ready to be inked. */
export interface PenPath {
  /** x, y of each vertex; `count` of them are in use. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** 1 where a stroke starts: no line is drawn to that vertex. */
  readonly starts: Uint8Array;
  count: number;
}

export const emptyPath = (): PenPath => ({
  x: new Float64Array(MAX_VERTICES),
  y: new Float64Array(MAX_VERTICES),
  starts: new Uint8Array(MAX_VERTICES),
  count: 0,
});

/** How one person's hand writes one digit. */
export interface Hand {
  /** Width over the glyph's own. */
  readonly aspect: number;
  /** Shift to the right at the top, per unit of height. */
  readonly slant: number;
  /** tan of half the angle of rotation: turns by arithmetic alone. */
  readonly halfTurn: number;
  /** Smooth displacement of the plane: quadratic in x and y. */
  readonly bend: readonly [number, number, number, number];
  /** Largest extent of the ink, in pixels. */
  readonly sizePx: number;
  /** Half the width of the pen, in pixels. */
  readonly radiusPx: number;
  /** Offset of the centre of mass from the image's centre, in pixels. */
  readonly shiftPx: readonly [number, number];
}

/** Draws a hand. The slant leans right more often than left, as handwriting does. */
export function randomHand(random: SmallRandom): Hand {
  return {
    aspect: random.bell(0.95, 0.13),
    slant: random.bell(0.14, 0.18),
    halfTurn: random.bell(0, 0.045),
    bend: [random.bell(0, 0.16), random.bell(0, 0.12), random.bell(0, 0.12), random.bell(0, 0.12)],
    sizePx: random.bell(19.2, 0.7),
    radiusPx: random.bell(1.3, 0.22),
    shiftPx: [random.bell(0, 0.5), random.bell(0, 0.5)],
  };
}

export function randomGlyph(digit: number, random: SmallRandom): Glyph {
  const glyphs = DIGIT_GLYPHS[digit] ?? [];
  let rest = random.unit() * glyphs.reduce((sum, glyph) => sum + glyph.weight, 0);
  for (const glyph of glyphs) {
    rest -= glyph.weight;
    if (rest < 0) return glyph;
  }
  throw new Error(`broken invariant: digit ${digit} has no glyph`);
}

/**
 * Fills `path` with `glyph` written by `hand` into a square image of `side` pixels: points wander a little, the curve
 * through them is bent, slanted and turned, then scaled to the hand's size and centred by mass, as MNIST's digits are.
 */
export function writeGlyph(path: PenPath, glyph: Glyph, hand: Hand, side: number, random: SmallRandom): void {
  path.count = 0;
  for (const stroke of glyph.strokes) addStroke(path, wander(stroke, random));
  deform(path, hand);
  place(path, hand, side);
}

/** Moves each point a little, the two of a corner together. */
function wander(stroke: Stroke, random: SmallRandom): [number, number][] {
  const moved: [number, number][] = [];
  stroke.forEach(([x, y], i) => {
    const before = stroke[i - 1];
    const previous = moved[i - 1];
    const isCorner = before !== undefined && before[0] === x && before[1] === y;
    moved.push(isCorner && previous ? [...previous] : [x + random.bell(0, 0.03), y + random.bell(0, 0.025)]);
  });
  return moved;
}

/** Appends the curve through the points: a uniform Catmull-Rom spline, broken at doubled points. */
function addStroke(path: PenPath, points: readonly [number, number][]): void {
  let first = true;
  const same = (a: [number, number] | undefined, b: [number, number] | undefined): boolean =>
    a === undefined || b === undefined || (a[0] === b[0] && a[1] === b[1]);
  for (let i = 0; i + 1 < points.length; i++) {
    const from = points[i];
    const to = points[i + 1];
    if (from === undefined || to === undefined || same(from, to)) continue;
    const before = points[i - 1];
    const after = points[i + 2];
    // Where the curve starts, ends or has a corner, the missing neighbour is the point mirrored.
    const [bx, by] =
      same(before, from) || before === undefined ? [2 * from[0] - to[0], 2 * from[1] - to[1]] : before;
    const [ax, ay] =
      same(after, to) || after === undefined ? [2 * to[0] - from[0], 2 * to[1] - from[1]] : after;
    if (first) addVertex(path, from[0], from[1], true);
    first = false;
    for (let piece = 1; piece <= PIECES; piece++) {
      const t = piece / PIECES;
      addVertex(path, spline(bx, from[0], to[0], ax, t), spline(by, from[1], to[1], ay, t), false);
    }
  }
}

function spline(p0: number, p1: number, p2: number, p3: number, t: number): number {
  const a = 2 * p1;
  const b = p2 - p0;
  const c = 2 * p0 - 5 * p1 + 4 * p2 - p3;
  const d = 3 * p1 - p0 - 3 * p2 + p3;
  return 0.5 * (a + t * (b + t * (c + t * d)));
}

function addVertex(path: PenPath, x: number, y: number, starts: boolean): void {
  const i = path.count++;
  path.x[i] = x;
  path.y[i] = y;
  path.starts[i] = starts ? 1 : 0;
}

/** Bends, slants and turns the unit plane about its middle. */
function deform(path: PenPath, hand: Hand): void {
  const [b0, b1, b2, b3] = hand.bend;
  const t = hand.halfTurn;
  const cos = (1 - t * t) / (1 + t * t);
  const sin = (2 * t) / (1 + t * t);
  for (let i = 0; i < path.count; i++) {
    const u = at(path.x, i) - 0.45;
    const v = at(path.y, i) - 0.5;
    const x = (u + b0 * v * v + b1 * u * v) * hand.aspect - hand.slant * v;
    const y = v + b2 * u * u + b3 * u * v;
    path.x[i] = cos * x - sin * y;
    path.y[i] = sin * x + cos * y;
  }
}

/** Scales to the hand's size in pixels and puts the centre of mass where it belongs. */
function place(path: PenPath, hand: Hand, side: number): void {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  let [length, momentX, momentY] = [0, 0, 0];
  for (let i = 0; i < path.count; i++) {
    const x = at(path.x, i);
    const y = at(path.y, i);
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
    if (path.starts[i] === 1) continue;
    const dx = x - at(path.x, i - 1);
    const dy = y - at(path.y, i - 1);
    const piece = Math.sqrt(dx * dx + dy * dy);
    length += piece;
    momentX += piece * (x - dx / 2);
    momentY += piece * (y - dy / 2);
  }
  const scale = (hand.sizePx - 2 * hand.radiusPx) / Math.max(right - left, bottom - top);
  // The ink, soft edge included, stays off the outermost pixels; only a digit whose mass lies far off its middle is
  // held back by that.
  const margin = 1.2 + hand.radiusPx;
  const offset = (mass: number, low: number, high: number, shift: number): number =>
    Math.min(Math.max(side / 2 + shift - mass * scale, margin - low * scale), side - margin - high * scale);
  const offsetX = offset(momentX / length, left, right, hand.shiftPx[0]);
  const offsetY = offset(momentY / length, top, bottom, hand.shiftPx[1]);
  for (let i = 0; i < path.count; i++) {
    path.x[i] = at(path.x, i) * scale + offsetX;
    path.y[i] = at(path.y, i) * scale + offsetY;
  }
}

function at(values: Float64Array, i: number): number {
  return values[i] ?? 0;
}
