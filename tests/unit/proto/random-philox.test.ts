import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mulHigh, philox4x32 } from '../../../proto/philox.js';

type Words = [number, number, number, number];

describe('philox4x32', () => {
  // The known answers that the authors publish with their Random123 library.
  it.each<[Words, [number, number], Words]>([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('gives the known answer for counter %j', (counter, key, expected) => {
    const out = new Uint32Array(4);
    philox4x32(out, ...counter, ...key);
    expect([...out]).toEqual(expected);
  });
});

describe('mulHigh', () => {
  it('is the upper half of the 64-bit product', () => {
    const uint32 = fc.oneof(
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffff0000, 0xffffffff),
    );
    fc.assert(
      fc.property(uint32, uint32, (x, y) => {
        expect(mulHigh(x, y) >>> 0).toBe(Number((BigInt(x) * BigInt(y)) >> 32n));
      }),
      { seed: 1, numRuns: 5_000 },
    );
  });
});
