import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperationalError, decodeAssignment, encodeAssignment, limits } from '../../../proto/index.js';

const assignment = {
  ringEpoch: 2 ** 40 + 3,
  step: 12,
  shard: 3,
  rows: 2,
  rowBytes: 4,
  committedStep: 9,
  durableStep: 8,
  pixels: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
};

describe('an assignment', () => {
  it('comes back as it was sent', () => {
    expect(decodeAssignment(encodeAssignment(assignment))).toEqual(assignment);
  });

  it.each([
    ['too few bytes', (bytes: Uint8Array) => bytes.subarray(0, 35)],
    ['other magic', (bytes: Uint8Array) => bytes.fill(0, 0, 4)],
    ['pixels cut off', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1)],
    ['a row count that announces more than is there', (bytes: Uint8Array) => bytes.fill(0xff, 20, 28)],
    ['no rows', (bytes: Uint8Array) => bytes.fill(0, 20, 24).subarray(0, 36)],
    ['empty rows', (bytes: Uint8Array) => bytes.fill(0, 24, 28).subarray(0, 36)],
    ['a ring epoch beyond the safe integers', (bytes: Uint8Array) => bytes.fill(0xff, 4, 12)],
    ['a shard beyond the limit', (bytes: Uint8Array) => bytes.fill(0xff, 16, 20)],
    ['more bytes than a message may have', () => new Uint8Array(limits.natsPayloadBytes + 1)],
  ])('is refused with %s', (_, damage) => {
    const bytes = damage(encodeAssignment(assignment));
    expect(() => decodeAssignment(bytes)).toThrow(OperationalError);
  });

  it('never throws anything else, whatever comes', () => {
    const header = encodeAssignment(assignment).subarray(0, 36);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), fc.boolean(), (noise, keepMagic) => {
        const bytes = Uint8Array.from(keepMagic ? [...header.subarray(0, 4), ...noise] : noise);
        try {
          const { pixels, rows, rowBytes } = decodeAssignment(bytes);
          expect(pixels.byteLength).toBe(rows * rowBytes);
        } catch (error) {
          expect(error).toBeInstanceOf(OperationalError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
