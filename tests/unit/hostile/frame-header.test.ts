import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkFrame, decodeHeader, encodeHeader, type FrameHeader } from '../../../worker/ring/frame.js';
import { damage } from './damage.js';
import { decodedOrRefused } from './judge.js';

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const headers: fc.Arbitrary<FrameHeader> = fc.record({
  phase: fc.constantFrom('reduce-scatter', 'all-gather'),
  update: uint32,
  attempt: uint16,
  step: uint16,
  offset: uint32,
  count: uint32,
  length: uint32,
});

const RUNS = 6_000;
const DAMAGES = 20;

describe('a ring header from anywhere', () => {
  test('is refused in order, or is the very one that is due', { timeout: 60_000 }, () => {
    let [cases, decoded, due] = [0, 0, 0];
    /** Whatever the bytes: refused by the one or the other, unless they are exactly those of `expected`. */
    const judge = (bytes: Uint8Array, expected: FrameHeader): void => {
      cases++;
      const same = Buffer.compare(bytes, encodeHeader(expected)) === 0;
      const header = decodedOrRefused(() => decodeHeader(bytes));
      if ('value' in header) {
        decoded++;
        if (Buffer.compare(encodeHeader(header.value), bytes) !== 0) throw new Error('other bytes');
        const checked = decodedOrRefused(() => checkFrame(header.value, expected));
        if ('error' in checked === same) throw new Error('taken although it differs, or the other way round');
        if (same) due++;
      } else if (same) throw new Error('the one that is due was refused');
    };
    fc.assert(
      fc.property(
        headers,
        headers,
        fc.array(damage, { minLength: DAMAGES, maxLength: DAMAGES }),
        fc.uint8Array({ maxLength: 48 }),
        (expected, other, damages, noise) => {
          const bytes = encodeHeader(expected);
          const others = encodeHeader(other);
          for (const header of [bytes, others, noise]) judge(header, expected);
          for (const spoil of damages) judge(spoil(bytes, others), expected);
        },
      ),
      { numRuns: RUNS },
    );
    expect(cases).toBeGreaterThan(100_000);
    expect(decoded).toBeGreaterThan(20_000);
    expect(due).toBeGreaterThanOrEqual(RUNS);
  });
});
