const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const WEYL0 = 0x9e3779b9;
const WEYL1 = 0xbb67ae85;
const ROUNDS = 10;

/**
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random
 * uint32 from a 128-bit counter and a 64-bit key, with no state in between. Any part of any stream can be made by
 * anyone, in any order.
 * @param out receives the four words
 */
export function philox4x32(
  out: Uint32Array,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
): void {
  let a = counter0 | 0;
  let b = counter1 | 0;
  let c = counter2 | 0;
  let d = counter3 | 0;
  let ka = key0 | 0;
  let kb = key1 | 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(M0, a);
    const low0 = Math.imul(M0, a);
    const high1 = mulHigh(M1, c);
    const low1 = Math.imul(M1, c);
    a = high1 ^ b ^ ka;
    b = low1;
    c = high0 ^ d ^ kb;
    d = low0;
    ka = (ka + WEYL0) | 0;
    kb = (kb + WEYL1) | 0;
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}

/** Upper 32 bits of the product of two uint32, as an int32: long multiplication of 16-bit halves. */
export function mulHigh(x: number, y: number): number {
  const xLow = x & 0xffff;
  const xHigh = x >>> 16;
  const yLow = y & 0xffff;
  const yHigh = y >>> 16;
  const low = Math.imul(xLow, yLow) >>> 16;
  // At most (2^16 - 1)^2 + 2^16 - 1 < 2^32: neither sum overflows.
  const middle = (Math.imul(xHigh, yLow) >>> 0) + low;
  const cross = Math.imul(xLow, yHigh) + (middle & 0xffff);
  return (Math.imul(xHigh, yHigh) + (middle >>> 16) + (cross >>> 16)) | 0;
}
