/**
 * A fixed sequence of numbers for the engine's fingerprint: xorshift32 (Marsaglia, "Xorshift RNGs", 2003), integers and
 * exact scalings only, so that it is the same on every machine.
 */
export class ProbeNumbers {
  private state = 0x9e3779b9;

  /** Uniform in [-range, range). */
  floats(length: number, range: number): Float32Array {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = (this.next() / 2 ** 31) * range;
    return values;
  }

  bytes(length: number): Uint8Array {
    const values = new Uint8Array(length);
    for (let i = 0; i < length; i++) values[i] = this.next() >>> 24;
    return values;
  }

  /** The next signed 32-bit integer, never 0. */
  private next(): number {
    let state = this.state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.state = state;
    return state;
  }
}
