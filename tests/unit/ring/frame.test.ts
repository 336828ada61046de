import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OperationalError } from '../../../proto/index.js';
import {
  checkFrame,
  decodeHeader,
  encodeHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
} from '../../../worker/ring/frame.js';

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const header: fc.Arbitrary<FrameHeader> = fc.record({
  phase: fc.constantFrom('reduce-scatter', 'all-gather'),
  update: uint32,
  attempt: uint16,
  step: uint16,
  offset: uint32,
  count: uint32,
  length: uint32,
});

const SAMPLE: FrameHeader = {
  phase: 'all-gather',
  update: 0x01020304,
  attempt: 0x0506,
  step: 0x0708,
  offset: 0x090a0b0c,
  count: 0x0d0e0f10,
  length: 0x11121314,
};

/** decodeHeader, with everything but a header or a protocol error counted as a failure. */
function decode(bytes: Uint8Array): FrameHeader | undefined {
  try {
    return decodeHeader(bytes);
  } catch (error) {
    if (error instanceof OperationalError && error.code === 'protocol') return undefined;
    throw error;
  }
}

describe('ring frame', () => {
  test('the bytes are those that the page describes', () => {
    expect(encodeHeader(SAMPLE).toString('hex')).toBe(
      '475201020403020106050807' + '0c0b0a09100f0e0d14131211',
    );
  });

  test('what was encoded is decoded, at any alignment', () => {
    fc.assert(
      fc.property(header, fc.integer({ min: 0, max: 7 }), (value, skew) => {
        const bytes = new Uint8Array(FRAME_HEADER_BYTES + skew).subarray(skew);
        bytes.set(encodeHeader(value));
        expect(decodeHeader(bytes)).toEqual(value);
      }),
    );
  });

  test('no bytes make the decoder do anything but decode or refuse', { timeout: 60_000 }, () => {
    let decoded = 0;
    const garbage = fc.uint8Array({ maxLength: 2 * FRAME_HEADER_BYTES });
    // Headers with a few bytes changed get past the first checks more often than pure noise.
    const mutated = fc
      .tuple(header, fc.array(fc.tuple(fc.nat(FRAME_HEADER_BYTES - 1), fc.nat(255)), { maxLength: 3 }))
      .map(([value, changes]) => {
        const bytes = encodeHeader(value);
        for (const [at, byte] of changes) bytes[at] = byte;
        return new Uint8Array(bytes);
      });
    fc.assert(
      fc.property(fc.oneof(garbage, mutated), (bytes) => {
        const found = decode(bytes);
        if (!found) return;
        decoded++;
        expect(encodeHeader(found).equals(bytes)).toBe(true);
      }),
      { numRuns: 100_000 },
    );
    expect(decoded).toBeGreaterThan(1_000);
  });

  test('every field that is not the expected one is named', () => {
    expect(() => checkFrame(SAMPLE, SAMPLE)).not.toThrow();
    for (const field of ['update', 'attempt', 'step', 'offset', 'count', 'length'] as const)
      expect(() => checkFrame({ ...SAMPLE, [field]: 1 }, SAMPLE)).toThrow(`expected ${field} `);
    expect(() => checkFrame({ ...SAMPLE, phase: 'reduce-scatter' }, SAMPLE)).toThrow('expected phase ');
  });
});
