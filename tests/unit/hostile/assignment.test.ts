import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeAssignment, encodeAssignment, limits, type Assignment } from '../../../proto/index.js';
import { collectGarbage } from './garbage.js';
import { damage } from './damage.js';
import { decodedOrRefused } from './judge.js';

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const assignments: fc.Arbitrary<Assignment> = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
  .chain(([rows, rowBytes]) =>
    fc.record({
      ringEpoch: fc.maxSafeNat(),
      step: uint32,
      shard: fc.integer({ min: 0, max: limits.maxShards - 1 }),
      rows: fc.constant(rows),
      rowBytes: fc.constant(rowBytes),
      committedStep: uint32,
      durableStep: uint32,
      pixels: fc.uint8Array({ minLength: rows * rowBytes, maxLength: rows * rowBytes }),
    }),
  );

/** Of each of these runs, with the damages and the noise of one. */
const RUNS = 5_000;
const DAMAGES = 20;
const HEADER_BYTES = 36;
const MAGIC = Uint8Array.of(0x47, 0x41, 0x53, 0x32);

/** @returns whether the bytes were taken: then they are exactly those of the assignment that they were decoded to */
function taken(bytes: Uint8Array): boolean {
  const outcome = decodedOrRefused(() => decodeAssignment(bytes));
  if ('error' in outcome) return false;
  const { pixels, rows, rowBytes } = outcome.value;
  if (pixels.byteLength !== rows * rowBytes || pixels.byteLength === 0)
    throw new Error('pixels of another size');
  if (pixels.buffer !== bytes.buffer) throw new Error('pixels were copied');
  if (Buffer.compare(encodeAssignment(outcome.value), bytes) !== 0) throw new Error('other bytes');
  return true;
}

describe('an assignment from anywhere', () => {
  test('is refused in order, or is the very bytes', { timeout: 60_000 }, () => {
    let [cases, fitting] = [0, 0];
    const count = (bytes: Uint8Array): void => {
      cases++;
      if (taken(bytes)) fitting++;
    };
    fc.assert(
      fc.property(
        assignments,
        assignments,
        fc.array(damage, { minLength: DAMAGES, maxLength: DAMAGES }),
        fc.uint8Array({ maxLength: 2 * HEADER_BYTES }),
        fc.nat(7),
        (assignment, other, damages, noise, skew) => {
          const bytes = encodeAssignment(assignment);
          const skewed = new Uint8Array(bytes.length + skew).subarray(skew);
          skewed.set(bytes);
          expect(decodeAssignment(skewed)).toEqual(assignment);
          const others = encodeAssignment(other);
          for (const spoil of damages) count(spoil(bytes, others));
          count(noise);
          count(Buffer.concat([MAGIC, noise]));
        },
      ),
      { numRuns: RUNS },
    );
    expect(cases).toBeGreaterThan(100_000);
    expect(fitting).toBeGreaterThan(1_000); // many bits make another assignment that fits
    expect(fitting).toBeLessThan(cases / 2);
  });

  test('gets no memory for what it announces', () => {
    const bytes = new Uint8Array(HEADER_BYTES + 4);
    bytes.set(MAGIC);
    bytes.fill(0xff, 20, 28); // 2^32 - 1 rows of 2^32 - 1 bytes
    const before = collectGarbage();
    for (let i = 0; i < 1_000; i++) expect(taken(bytes)).toBe(false);
    expect(collectGarbage() - before).toBeLessThan(1 << 20);
  });
});
