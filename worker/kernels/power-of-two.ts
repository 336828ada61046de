import { invariant } from '../../proto/index.js';

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/** 2^exponent for -1022..1023, exactly: Math.pow may be off by a bit, and differs between JavaScript engines. */
export function powerOfTwo(exponent: number): number {
  invariant(
    Number.isInteger(exponent) && exponent >= -1022 && exponent <= 1023,
    `a power of two: 2^${exponent}`,
  );
  words[0] = 0; // little-endian, as WebAssembly and every machine that Node 20 runs on
  words[1] = (exponent + 1023) << 20;
  return float[0] as number;
}
