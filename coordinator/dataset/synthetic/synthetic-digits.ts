import { createHash } from 'node:crypto';
import { inkPath } from './ink.js';
import { emptyPath, randomGlyph, randomHand, writeGlyph } from './pen-path.js';
import { SmallRandom } from './small-random.js';

/** Raised whenever any image of any seed would differ: it is part of a run's identity. */
const GENERATOR_VERSION = 1;
const SIDE = 28;

/**
 * Drawn digits, 28 x 28, white on black as in MNIST. Image and label follow from (seed, index) alone, by integer
 * arithmetic and + - x / sqrt, so that they are the same bits on every machine.
 */
export class SyntheticDigits {
  readonly rows = SIDE;
  readonly columns = SIDE;
  readonly imageSize = SIDE * SIDE;
  /** Stands for all images without drawing them: hash of what they follow from. */
  readonly sha256: string;
  private readonly path = emptyPath();
  private readonly nearest = new Float64Array(SIDE * SIDE);

  constructor(
    readonly seed: number,
    readonly count: number,
  ) {
    const identity = `gan-cluster synthetic digits, generator ${GENERATOR_VERSION}, seed ${seed}, ${count} images`;
    this.sha256 = createHash('sha256').update(identity).digest('hex');
  }

  /** The digit that image `index` shows. */
  label(index: number): number {
    return new SmallRandom(this.seed, index).bits() % 10;
  }

  /** Draws image `index` into `out` at `offset` (imageSize bytes). */
  draw(index: number, out: Uint8Array, offset: number): void {
    const random = new SmallRandom(this.seed, index);
    const glyph = randomGlyph(random.bits() % 10, random);
    const hand = randomHand(random);
    writeGlyph(this.path, glyph, hand, SIDE, random);
    inkPath(this.path, hand.radiusPx, SIDE, this.nearest, out, offset);
  }
}
