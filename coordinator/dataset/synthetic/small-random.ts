/**
 * A small stream of random numbers for drawing: splitmix32 (a Weyl sequence through a multiply-xorshift mixer; Guy
 * Steele and others, "Fast splittable pseudorandom number generators", 2014). Integer arithmetic only, so that it gives
 * the same on every machine.
 */
export class SmallRandom {
  private state: number;

  /** Streams of different (seed, index) are unrelated. `seed`: a whole number from 0 to 2^53 - 1; `index`: uint32. */
  constructor(seed: number, index: number) {
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32) >>> 0;
    this.state = mix(mix(mix(low) ^ high) ^ index);
  }

  /** A uniform uint32. */
  bits(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    return mix(this.state) >>> 0;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.bits() / 2 ** 32;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /**
   * Bell-shaped with the given mean and standard deviation, never further than 3 of them away: the sum of three
   * uniform numbers, which needs neither logarithm nor cosine.
   */
  bell(mean: number, deviation: number): number {
    return mean + deviation * 2 * (this.unit() + this.unit() + this.unit() - 1.5);
  }
}

function mix(value: number): number {
  let z = value | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}
