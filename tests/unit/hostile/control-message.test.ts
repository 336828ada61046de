import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { allSchemas, downSchemas, launcherSchemas, outSchemas, upSchemas } from '../../../proto/index.js';
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../../../proto/runtime/codec.js';
import { RejectedMessage } from '../../../proto/runtime/rejections.js';
import { damage } from './damage.js';
import { decodedOrRefused } from './judge.js';
import { largestOf, valuesOf } from './schema-values.js';

const DIRECTIONS = {
  up: upSchemas,
  down: downSchemas,
  all: allSchemas,
  out: outSchemas,
  launcher: launcherSchemas,
};
const SCHEMAS = Object.entries(DIRECTIONS).flatMap(([direction, schemas]) =>
  Object.entries<z.ZodType>(schemas).map(([topic, schema]) => [`${direction}.${topic}`, schema] as const),
);

/** Of each schema; with what one run does that makes more than 200,000 messages for all of them. */
const RUNS = 200;
const DAMAGES = 25;
const SOUPS = 10;
let cases = 0;

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Whatever the bytes: a message that fits and comes back the same, or RejectedMessage with a reason that is one. */
function judge(schema: z.ZodType, bytes: Uint8Array): RejectedMessage | undefined {
  cases++;
  const outcome = decodedOrRefused(() => decodeMessage(schema, bytes, 'a.subject'));
  if ('error' in outcome) {
    if (!(outcome.error instanceof RejectedMessage)) throw outcome.error;
    return outcome.error;
  }
  const again = encodeMessage(schema, outcome.value);
  const twice = encodeMessage(schema, decodeMessage(schema, again, 'a.subject'));
  if (!equal(again, twice)) throw new Error('decoded to what does not survive the wire');
  return undefined;
}

/** MessagePack with all that msgpackr can write, and so reads. */
const anyPackr = new Packr({
  structuredClone: true,
  moreTypes: true,
  useRecords: true,
  largeBigIntToFloat: true,
});
const plainPackr = new Packr({ useRecords: false });
const soup = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc
    .anything({
      ...{ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true },
      ...{ withSparseArray: true, withNullPrototype: true, maxDepth: 3, maxKeys: 4 },
    })
    .map((value) => Uint8Array.from(anyPackr.pack(value))),
);

/** The message with its bytes as arrays: it does not matter of which class they are. */
function plain(message: unknown): unknown {
  if (message instanceof Uint8Array) return [...message];
  if (Array.isArray(message)) return message.map(plain);
  if (typeof message !== 'object' || message === null) return message;
  return Object.fromEntries(Object.entries(message).map(([key, value]) => [key, plain(value)]));
}

/** The same message with one number in it, whichever, replaced. */
function withNumber(message: unknown, index: { left: number }, number: unknown): unknown {
  if (typeof message === 'number') return index.left-- === 0 ? number : message;
  if (message instanceof Uint8Array) return message;
  if (Array.isArray(message)) return message.map((item) => withNumber(item, index, number));
  if (typeof message !== 'object' || message === null) return message;
  return Object.fromEntries(
    Object.entries(message).map(([key, value]) => [key, withNumber(value, index, number)]),
  );
}

afterAll(() => {
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(cases).toBeGreaterThan(200_000);
});

describe.each(SCHEMAS)('messages of %s', (_, schema) => {
  const messages = valuesOf(schema);

  test(
    'survive the wire, and however they are damaged are refused in order or fit',
    { timeout: 60_000 },
    () => {
      fc.assert(
        fc.property(
          messages,
          messages,
          fc.array(damage, { minLength: DAMAGES, maxLength: DAMAGES }),
          fc.array(soup, { minLength: SOUPS, maxLength: SOUPS }),
          (message, other, damages, soups) => {
            const bytes = encodeMessage(schema, message);
            expect(plain(decodeMessage(schema, bytes, 'a.subject'))).toEqual(plain(message));
            cases++;
            const others = encodeMessage(schema, other);
            for (const spoil of damages) judge(schema, spoil(bytes, others));
            for (const noise of soups) judge(schema, noise);
          },
        ),
        { numRuns: RUNS },
      );
    },
  );

  test('have no numbers that are none, or too large to be exact', () => {
    fc.assert(
      fc.property(
        messages,
        fc.constantFrom<unknown>(NaN, Infinity, -Infinity, 2n ** 60n, -(2n ** 60n)),
        fc.nat(20),
        (message, number, place) => {
          const index = { left: place };
          const wrong = withNumber(message, index, number);
          const refused = judge(schema, plainPackr.pack(wrong));
          if (index.left < 0) expect(refused?.reason).toBe('schema');
          else expect(refused).toBeUndefined();
        },
      ),
      { numRuns: RUNS },
    );
  });

  test('have all the fields, and no others', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.string(), (message, which, name) => {
        const record = message as Record<string, unknown>;
        const keys = Object.keys(record);
        const lost = keys[which % keys.length];
        const fewer = Object.fromEntries(Object.entries(record).filter(([key]) => key !== lost));
        expect(judge(schema, plainPackr.pack(fewer))?.reason).toBe('schema');
        if (keys.includes(name)) return;
        const more = new Map<string, unknown>([...Object.entries(record), [name, 1]]);
        expect(judge(schema, plainPackr.pack(more))?.reason).toBe('schema');
      }),
      { numRuns: RUNS },
    );
  });

  test('fit the bounds of the decoder when they are the largest', () => {
    const message = largestOf(schema);
    const bytes = encodeMessage(schema, message);
    expect(bytes.byteLength).toBeLessThan(MAX_MESSAGE_BYTES);
    expect(equal(encodeMessage(schema, decodeMessage(schema, bytes, 'a.subject')), bytes)).toBe(true);
  });
});
