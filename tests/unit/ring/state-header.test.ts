import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeStateHeader,
  judgeStateHeader,
  STATE_HEADER_BYTES,
} from '../../../worker/ring/state-header.js';

const EXPECTED = { stateBytes: 24_000_000, maxRowsBytes: 100_000 };

/** A header that fits, with some of its bytes replaced. */
function headerWith(at: number, ...bytes: readonly number[]): Uint8Array {
  const header = encodeStateHeader({ stateBytes: EXPECTED.stateBytes, rowsBytes: 1_000 });
  header.set(bytes, at);
  return header;
}

function endOf(header: Uint8Array): string {
  const verdict = judgeStateHeader(header, EXPECTED);
  return verdict.kind === 'refuse' ? `${verdict.end.cause}: ${verdict.end.detail}` : 'expected';
}

describe('header of a state', () => {
  test('little-endian, byte for byte', () => {
    const header = encodeStateHeader({ stateBytes: 0x01_02_03_04_05, rowsBytes: 0x0a_0b });
    expect(Buffer.from(header).toString('hex')).toBe(
      ['4753', '0100', '0504030201000000', '0b0a000000000000'].join(''),
    );
  });

  test('sizes that are expected, at any alignment', () => {
    for (const rowsBytes of [0, 1, EXPECTED.maxRowsBytes]) {
      for (let skew = 0; skew < 8; skew++) {
        const header = new Uint8Array(new ArrayBuffer(skew + STATE_HEADER_BYTES), skew);
        header.set(encodeStateHeader({ stateBytes: EXPECTED.stateBytes, rowsBytes }));
        expect(judgeStateHeader(header, EXPECTED)).toEqual({
          kind: 'expected',
          sizes: { stateBytes: EXPECTED.stateBytes, rowsBytes },
        });
      }
    }
  });

  const refused: [string, Uint8Array, string][] = [
    ['another magic', headerWith(0, 0), 'malformed: header of a state: expected magic 21319, found 21248'],
    ['another version', headerWith(2, 2), 'malformed: header of a state: expected version 1, found 2'],
    ['a smaller state', headerWith(6, 0), 'malformed: header of a state: expected a state of 24000000 bytes'],
    ['a larger state', headerWith(7, 255), 'oversize: header of a state: expected a state of 24000000 bytes'],
    [
      'a state that is larger by 2^63',
      headerWith(11, 0x80),
      'oversize: header of a state: expected a state of 24000000 bytes, found 9223372036878776000',
    ],
    [
      'too many rows',
      encodeStateHeader({ stateBytes: EXPECTED.stateBytes, rowsBytes: EXPECTED.maxRowsBytes + 1 }),
      'oversize: header of a state: expected rows of 100000 bytes at most, found 100001',
    ],
  ];
  for (const [what, header, end] of refused) {
    test(`${what} is refused`, () => expect(endOf(header)).toContain(end));
  }

  test('no bytes make it announce more than is expected', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: STATE_HEADER_BYTES - 4, maxLength: STATE_HEADER_BYTES - 4 }),
        (sizes) => {
          const verdict = judgeStateHeader(headerWith(4, ...sizes), EXPECTED);
          if (verdict.kind === 'refuse') return;
          expect(verdict.sizes.stateBytes).toBe(EXPECTED.stateBytes);
          expect(verdict.sizes.rowsBytes).toBeLessThanOrEqual(EXPECTED.maxRowsBytes);
        },
      ),
    );
  });
});
