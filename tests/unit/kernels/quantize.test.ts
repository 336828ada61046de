import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_EXPONENT, MIN_EXPONENT, type QuantizeOutcome } from '../../../worker/kernels/index.js';
import { KernelPair, place } from './kernel-pair.js';

const FLOATS = place(0);
const INTS = place(1);
const LIMIT_31 = 2 ** 31 - 1;
const MAX_FLOAT = 3.4028234663852886e38;

let pair: KernelPair;
beforeAll(async () => {
  pair = await KernelPair.load();
});
beforeEach(() => pair.clear());

/** Quantises onto zeros. */
function quantized(
  values: number[],
  exponent: number,
  limit = LIMIT_31,
): QuantizeOutcome & { readonly ints: number[] } {
  pair.putFloats(FLOATS, values);
  pair.putInts(INTS, new Int32Array(values.length));
  const outcome = pair.same((kernels) => kernels.quantize(FLOATS, INTS, values.length, exponent, limit));
  return { ...outcome, ints: pair.ints(INTS, values.length) };
}

const clean = { saturated: false, notFinite: false };

describe('quantize', () => {
  it('rounds to the nearest integer, ties to even', () => {
    const values = [
      0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, 0.49999997, 0.50000006, -0.50000006, 8388607.5, 8388608,
    ];
    expect(quantized(values, 0)).toEqual({
      ...clean,
      ints: [0, 2, 2, 4, 0, -2, -2, 0, 1, -1, 8388608, 8388608],
    });
  });

  it('takes both zeros and denormals', () => {
    const denormal = 2 ** -149;
    expect(quantized([0, -0, denormal, -denormal], 30)).toEqual({ ...clean, ints: [0, 0, 0, 0] });
    expect(quantized([denormal, 2 ** -127, -(2 ** -127), 3 * 2 ** -127], MAX_EXPONENT)).toEqual({
      ...clean,
      ints: [0, 0, 0, 2],
    });
  });

  it.each([
    [0, [1, -3, 7.25], [1, -3, 7]],
    [30, [2 ** -30, 0.25, -(2 ** -31)], [1, 2 ** 28, 0]],
    [MAX_EXPONENT, [2 ** -126, 2 ** -100, -(2 ** -96)], [1, 2 ** 26, -(2 ** 30)]],
    [MIN_EXPONENT, [2 ** 126, -(2 ** 127), MAX_FLOAT], [1, -2, 4]],
    [-110, [2 ** 127, MAX_FLOAT, -MAX_FLOAT], [2 ** 17, 2 ** 18, -(2 ** 18)]],
  ])('scales by 2^%i exactly', (exponent, values, ints) => {
    expect(quantized(values, exponent)).toEqual({ ...clean, ints });
  });

  it.each([1, 2, 19, 24, 25, 29, 30, 31])('tells what does not fit +-(2^%i - 1)', (bits) => {
    const limit = 2 ** bits - 1;
    const bound = 2 ** bits;
    const below = Math.fround(bound - 2 ** Math.max(0, bits - 24)); // the largest float that fits
    expect(quantized([below, -below], 0, limit)).toEqual({ ...clean, ints: [below, -below] });
    for (const values of [[bound], [-bound], [0, 1, -MAX_FLOAT, 1], [1, 1, 1, 1, 1, bound]])
      expect(quantized(values, 0, limit)).toMatchObject({ saturated: true, notFinite: false });
  });

  it('judges the rounded value, not the exact one', () => {
    expect(quantized([7.4], 0, 7)).toEqual({ ...clean, ints: [7] });
    expect(quantized([7.5], 0, 7)).toMatchObject({ saturated: true });
  });

  it('counts what overflows when scaled as saturated', () => {
    expect(quantized([MAX_FLOAT, -MAX_FLOAT], 126)).toEqual({
      saturated: true,
      notFinite: false,
      ints: [LIMIT_31, -(2 ** 31)],
    });
  });

  it.each([NaN, Infinity, -Infinity])('tells of %d wherever it lies, and saturation no more', (value) => {
    for (const index of [0, 1, 2, 3, 4, 5, 6]) {
      const values = [1, 2, 3, 1e30, 5, 1e30, 7];
      values[index] = value;
      expect(quantized(values, 0)).toMatchObject({ saturated: false, notFinite: true });
    }
  });

  it('adds to what is there, and wraps', () => {
    pair.putFloats(FLOATS, [1, -1, 5, -5, NaN, 1]);
    pair.putInts(INTS, [10, -10, LIMIT_31, -(2 ** 31), 7, LIMIT_31]);
    pair.same((kernels) => kernels.quantize(FLOATS, INTS, 6, 0, LIMIT_31));
    expect(pair.ints(INTS, 6)).toEqual([11, -11, -(2 ** 31) + 4, 2 ** 31 - 5, 7, -(2 ** 31)]);
  });

  it('starts new sums when told to', () => {
    pair.putFloats(FLOATS, [1, -1, 5, -5, NaN, 1]);
    pair.putInts(INTS, [10, -10, LIMIT_31, -(2 ** 31), 7, LIMIT_31]);
    pair.same((kernels) => kernels.quantize(FLOATS, INTS, 5, 0, LIMIT_31, true));
    expect(pair.ints(INTS, 6)).toEqual([1, -1, 5, -5, 0, LIMIT_31]);
  });

  it('is the same bits in both twins for every length and offset', () => {
    for (let n = 0; n <= 70; n++) {
      for (const offset of [0, 4, 8, 12]) {
        pair.clear();
        pair.putFloats(
          FLOATS + offset,
          Array.from({ length: n }, (_, i) => Math.fround(Math.sin(n * i + 1) * 3)),
        );
        const ints = INTS + ((offset * 3) % 16);
        const overwrite = n % 2 === 0;
        pair.same((kernels) => kernels.quantize(FLOATS + offset, ints, n, 20, 2 ** 21 - 1, overwrite));
      }
    }
  });

  /** Float32 bits that matter: anything, ties and their neighbours, the limit and its neighbours, specials. */
  const scratch = new DataView(new ArrayBuffer(4));
  const bitsOf = (x: number): number => {
    scratch.setFloat32(0, x);
    return scratch.getInt32(0);
  };
  const interesting = (exponent: number, bits: number): fc.Arbitrary<number> =>
    fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc
        .tuple(fc.integer({ min: -(2 ** 23), max: 2 ** 23 }), fc.integer({ min: -1, max: 1 }))
        .map(([half, ulps]) => bitsOf((half / 2) * 2 ** -exponent) + ulps),
      fc
        .tuple(fc.constantFrom(-1, 1), fc.integer({ min: -3, max: 3 }))
        .map(([sign, ulps]) => bitsOf(sign * 2 ** bits * 2 ** -exponent) + ulps),
      fc.constantFrom(...[0, -0, 2 ** -149, -(2 ** -149), 2 ** -126, Infinity, -Infinity, NaN].map(bitsOf)),
    );

  it('is the same bits in both twins for any float32', () => {
    fc.assert(
      fc.property(
        fc
          .tuple(fc.integer({ min: MIN_EXPONENT, max: MAX_EXPONENT }), fc.integer({ min: 1, max: 31 }))
          .chain(([exponent, bits]) =>
            fc.record({
              exponent: fc.constant(exponent),
              bits: fc.constant(bits),
              floats: fc.array(interesting(exponent, bits), { maxLength: 40 }),
              start: fc.integer(),
            }),
          ),
        ({ exponent, bits, floats, start }) => {
          pair.clear();
          pair.putInts(FLOATS, floats);
          pair.putInts(INTS, new Int32Array(floats.length).fill(start));
          pair.same((kernels) => kernels.quantize(FLOATS, INTS, floats.length, exponent, 2 ** bits - 1));
        },
      ),
      { seed: 5, numRuns: 2_000 },
    );
  });

  it.each([
    ['an exponent out of range', (): unknown => pair.wasm.quantize(FLOATS, INTS, 1, 127, 7)],
    ['an exponent that is no integer', (): unknown => pair.wasm.quantize(FLOATS, INTS, 1, 0.5, 7)],
    ['a limit that is not 2^L - 1', (): unknown => pair.wasm.quantize(FLOATS, INTS, 1, 0, 8)],
    ['a limit above int32', (): unknown => pair.wasm.quantize(FLOATS, INTS, 1, 0, 2 ** 32 - 1)],
    ['a misaligned address', (): unknown => pair.wasm.quantize(FLOATS + 2, INTS, 1, 0, 7)],
    ['a vector beyond the memory', (): unknown => pair.wasm.quantize(FLOATS, INTS, 2 ** 20, 0, 7)],
    ['a negative length', (): unknown => pair.wasm.quantize(FLOATS, INTS, -1, 0, 7)],
  ])('refuses %s', (_, call) => {
    expect(call).toThrow(/broken invariant/);
  });
});
