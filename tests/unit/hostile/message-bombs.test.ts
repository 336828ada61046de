import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { NO_TOTALS, upSchemas, type UpMessage } from '../../../proto/index.js';
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../../../proto/runtime/codec.js';
import { RejectedMessage, type RejectionReason } from '../../../proto/runtime/rejections.js';
import { collectGarbage } from './garbage.js';

const packr = new Packr({ useRecords: false });
const REPORT: UpMessage<'report'> = {
  workerId: 'w1',
  ringEpoch: 1,
  nextUpdate: 4,
  rows: [],
  fingerprints: [],
  totals: NO_TOTALS,
};

const join = (...parts: (string | readonly number[] | Uint8Array)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
/** Text of less than 32 bytes. */
const text = (words: string): Buffer => join([0xa0 | Buffer.byteLength(words)], words);
const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const repeated = (bytes: Uint8Array, count: number): Buffer =>
  join(...Array.from({ length: count }, () => bytes));

/** A report whose rows are these bytes, and whose other fields fit. */
function withRows(rows: Uint8Array): Buffer {
  const others = Object.entries(REPORT).filter(([field]) => field !== 'rows');
  const fields = others.map(([field, value]) => join(text(field), packr.pack(value)));
  return join([0x86], text('rows'), rows, ...fields);
}

/**
 * Less than a kilobyte of arrays in which each holds the one before ten times, by the extensions for structured clones:
 * 10^11 ones when it is written out.
 */
function laughs(): Buffer {
  const items = Array.from({ length: 12 }, (_, id) => {
    const label = [0xd6, 0x69, 0, 0, 0, id];
    const before = [0xd6, 0x70, 0, 0, 0, id - 1];
    return id === 0
      ? join(label, [0x91, 1])
      : join(label, [0x9a], ...Array.from({ length: 10 }, () => before));
  });
  // One byte after the end makes msgpackr describe what it has read.
  return join([0x9c], ...items, [0xc0]);
}

const extension = (type: string | number, payload: readonly number[] = []): number[] => [
  0xc7,
  payload.length,
  typeof type === 'string' ? type.charCodeAt(0) : type,
  ...payload,
];
const FOUR_GIB = [0xff, 0xff, 0xff, 0xff];
const filler = Buffer.alloc(34, 0xc0);

const BOMBS: [string, RejectionReason, Uint8Array][] = [
  ['nothing', 'malformed', new Uint8Array(0)],
  ['an array of 4 Gi', 'malformed', join([0xdd, ...FOUR_GIB], filler)],
  ['a map of 4 Gi', 'malformed', join([0xdf, ...FOUR_GIB], repeated(join(text('a'), [1]), 17))],
  ['a text of 4 GiB', 'malformed', join([0xdb, ...FOUR_GIB], filler)],
  ['bytes of 4 GiB', 'malformed', join([0xc6, ...FOUR_GIB], filler)],
  ['an extension of 4 GiB', 'malformed', join([0xc9, ...FOUR_GIB, 0x74], filler)],
  ['arrays of 65,535, each in the one before', 'malformed', repeated(join([0xdc, 0xff, 0xff]), 20)],
  ['an array of 4 Gi in the rows', 'malformed', withRows(join([0xdd, ...FOUR_GIB]))],
  ['arrays, a million deep', 'malformed', Buffer.alloc(MAX_MESSAGE_BYTES, 0x91)],
  ['maps, half a million deep', 'malformed', Buffer.alloc(MAX_MESSAGE_BYTES, join([0x81], text('')))],
  ['nine deep', 'malformed', withRows(join([0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 1]))],
  [
    'half a million rows of null',
    'malformed',
    withRows(join([0xdd], uint32(500_000), Buffer.alloc(500_000, 0xc0))),
  ],
  ['30,000 empty rows', 'schema', withRows(join([0xdc, 0x75, 0x30], Buffer.alloc(30_000, 0x80)))],
  [
    '15,000 unknown fields with line breaks in their names',
    'schema',
    join([0xde, 0x3a, 0x98], ...Array.from({ length: 15_000 }, (_, i) => join(text(`\n${i}`), [0]))),
  ],
  ['a million bytes', 'oversize', Buffer.alloc(1_000_000)],
  ['all bytes that a message may have, in one text', 'schema', longText()],
  ['a reference to a reference, twelve times', 'malformed', laughs()],
  ['a record', 'malformed', join([0xd4, 0x72, 0x40, 0x91], text('a'), [1])],
  ['a record of two bytes', 'malformed', join([0xd5, 0x72, 0x40, 1, 0x91], text('a'), [1])],
  ['an error', 'malformed', join(extension('e'), [0x92], text('toString'), [1])],
  ['a regular expression', 'malformed', join(extension('x'), [0x92], text('(a+)+$'), [0xa0])],
  ['a set', 'malformed', join(extension('s'), [0x91, 1])],
  ['a date', 'malformed', join([0xd6, 0xff, 1, 2, 3, 4])],
  ['an array of floats', 'malformed', join(extension('t', [7, 0, 0, 0, 0]))],
  ['an array of floats that is cut', 'malformed', join(extension('t', [7, 0, 0, 0]))],
  ['a buffer', 'malformed', join(extension('t', [16, 0, 0, 0, 0]))],
  ['a large integer', 'malformed', join(extension('B', [1, 2, 3, 4, 5, 6, 7, 8, 9]))],
  [
    'bundled strings',
    'malformed',
    join([0xd6, 0x62, 0xff, 0xff, 0xff, 0xf0], text('a'), text('b'), [0xc1, 1]),
  ],
  ['undefined', 'malformed', join([0xd4, 0, 0])],
  ['the byte that is never used', 'malformed', join([0xc1])],
  ['bytes', 'schema', join([0xc4, 1, 1])],
  ['bytes that are not there', 'malformed', join([0xc5, 1, 0, 1])],
  ['a byte too many', 'malformed', join(encodeMessage(upSchemas.report, REPORT), [0])],
  ['a byte too few', 'malformed', encodeMessage(upSchemas.report, REPORT).subarray(0, -1)],
  ['a key that is a number', 'malformed', join([0x81, 1, 1])],
  ['a key that is a map', 'malformed', join([0x81, 0x80, 1])],
  ['a prototype', 'schema', join([0x81], text('__proto__'), [0x81], text('polluted'), [1])],
  ['a prototype in the rows', 'schema', withRows(join([0x91, 0x81], text('__proto__'), [0x80]))],
  ['a constructor', 'schema', join([0x81], text('constructor'), [0x81], text('prototype'), [0x80])],
];

function longText(): Buffer {
  const bytes = Buffer.alloc(MAX_MESSAGE_BYTES, 'x');
  bytes[0] = 0xdb;
  bytes.writeUInt32BE(MAX_MESSAGE_BYTES - 5, 1);
  return bytes;
}

function refusalOf(bytes: Uint8Array): RejectedMessage {
  try {
    decodeMessage(upSchemas.report, bytes, 'gan.c.up.report.w1');
  } catch (error) {
    if (error instanceof RejectedMessage) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a message that is made to hurt', () => {
  test.each(BOMBS)('%s: %s', (_, reason, bytes) => {
    const refusal = refusalOf(bytes);
    expect(refusal.reason).toBe(reason);
    expect(refusal.code).toBe('protocol');
    expect(refusal.message).toMatch(/^message on gan\.c\.up\.report\.w1: [^\r\n]{1,250}$/);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    // The decoder is none the worse for it.
    const good = encodeMessage(upSchemas.report, REPORT);
    expect(decodeMessage(upSchemas.report, good, 's')).toEqual(REPORT);
  });

  test('gets no memory for what it announces', () => {
    const announcing = BOMBS.filter(([what]) => what.includes('4 Gi') || what.includes('65,535'));
    expect(announcing.length).toBe(7);
    for (const [what, , bytes] of announcing) {
      expect(bytes.byteLength).toBeLessThan(200);
      const before = process.memoryUsage();
      for (let i = 0; i < 100; i++) refusalOf(bytes);
      const after = process.memoryUsage();
      expect(after.arrayBuffers - before.arrayBuffers, what).toBeLessThan(1 << 20);
      expect(after.heapUsed - before.heapUsed, what).toBeLessThan(8 << 20); // errors with their stacks
    }
  });

  test('leaves nothing behind, however often it comes', () => {
    const once = (): void => BOMBS.forEach(([, , bytes]) => refusalOf(bytes));
    once();
    once();
    const before = collectGarbage();
    for (let i = 0; i < 10; i++) once();
    expect(collectGarbage() - before).toBeLessThan(2 << 20);
  });

  test('is refused in less than a second of work, where msgpackr would take hours for the worst of them', () => {
    for (const [what, , bytes] of BOMBS) {
      const start = process.cpuUsage();
      refusalOf(bytes);
      const { user, system } = process.cpuUsage(start);
      expect((user + system) / 1_000, `ms of CPU for ${what}`).toBeLessThan(1_000);
    }
  });
});
