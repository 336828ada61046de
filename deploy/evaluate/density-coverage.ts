import type { FeatureBlock } from './pairwise-distances.js';

/**
 * Density and coverage (Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020): around
 * each real point lies a ball that reaches to its k-th nearest real neighbour. Density is the mean number of balls that
 * a sample lies in, divided by k: near 1 when samples lie where real points are dense, and it may be more. Coverage is
 * the share of balls with a sample in them: low when whole kinds of real points are never drawn.
 */
export interface DensityCoverage {
  readonly density: number;
  readonly coverage: number;
}

/**
 * Squared distance from each of a block's points to its k-th nearest other one.
 * @param block distances among the same points: row i is point `first` + i
 * @param out receives them at `first` and after
 */
export function distancesToNeighbour(
  { first, rows, columns, squared }: FeatureBlock,
  k: number,
  out: Float32Array,
): void {
  const nearest = new Float32Array(k);
  for (let row = 0; row < rows; row++) {
    nearest.fill(Infinity);
    const start = row * columns;
    for (let column = 0; column < columns; column++) {
      const distance = squared[start + column] as number;
      if (distance >= (nearest[k - 1] as number) || column === first + row) continue;
      let place = k - 1;
      for (; place > 0 && (nearest[place - 1] as number) > distance; place--)
        nearest[place] = nearest[place - 1] as number;
      nearest[place] = distance;
    }
    out[first + row] = nearest[k - 1] as number;
  }
}

/** Adds up a block whose rows are real points and whose columns are samples. */
export class BallCounter {
  private inside = 0;
  private covered = 0;
  private balls = 0;

  /** @param radii squared, one a real point */
  constructor(
    private readonly radii: Float32Array,
    private readonly k: number,
  ) {}

  add({ first, rows, columns, squared }: FeatureBlock): void {
    for (let row = 0; row < rows; row++) {
      const radius = this.radii[first + row] as number;
      let inside = 0;
      for (let i = row * columns; i < (row + 1) * columns; i++)
        if ((squared[i] as number) < radius) inside += 1;
      this.inside += inside;
      if (inside > 0) this.covered += 1;
    }
    this.balls += rows;
  }

  /** @param samples number of columns that every block had */
  result(samples: number): DensityCoverage {
    return { density: this.inside / (this.k * samples), coverage: this.covered / this.balls };
  }
}
