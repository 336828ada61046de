import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits, PROTOCOL_VERSION } from '../../../proto/index.js';
import {
  encodeHandshake,
  HANDSHAKE_MESSAGE_BYTES,
  parseHandshake,
  provesSecret,
  type HandshakeMessage,
  type Hello,
} from '../../../worker/ring/handshake.js';
import { collectGarbage } from './garbage.js';
import { damage } from './damage.js';

const digits = fc.stringMatching(/^[0-9a-f]{64}$/);
const rank = fc.integer({ min: 0, max: limits.maxWorkers - 1 });
const MESSAGES = {
  hello: fc.record({
    kind: fc.constant('hello' as const),
    protocol: fc.constant(PROTOCOL_VERSION),
    runId: fc.string({ minLength: 1, maxLength: 32, unit: 'binary' }),
    ringEpoch: fc.maxSafeNat(),
    fromRank: rank,
    toRank: rank,
    nonce: digits,
  }),
  challenge: fc.record({ kind: fc.constant('challenge' as const), nonce: digits }),
  proof: fc.record({ kind: fc.constant('proof' as const), proof: digits }),
  welcome: fc.record({ kind: fc.constant('welcome' as const), proof: digits }),
} as const;
type Kind = keyof typeof MESSAGES;
const KINDS = Object.keys(MESSAGES) as Kind[];
const anyMessage = fc.oneof(...Object.values<fc.Arbitrary<HandshakeMessage>>(MESSAGES));

const RUNS = 1_500;
const DAMAGES = 20;
const SECRET = 'ab'.repeat(32);
const HELLO: Hello = {
  kind: 'hello',
  protocol: PROTOCOL_VERSION,
  runId: 'run-1',
  ringEpoch: 1,
  fromRank: 1,
  toRank: 0,
  nonce: '01'.repeat(32),
};

const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');
/** JSON that looks like ours, in places. */
const json = fc.oneof(
  fc.json().map(bytesOf),
  fc
    .tuple(anyMessage, fc.string({ maxLength: 12 }), fc.jsonValue())
    .map(([message, field, value]) => bytesOf(JSON.stringify({ ...message, [field]: value }))),
  fc
    .tuple(anyMessage, fc.constantFrom('__proto__', 'constructor', 'toString'), fc.json())
    .map(([message, field, value]) => bytesOf(`{"${field}":${value},${JSON.stringify(message).slice(1)}`)),
  fc
    .tuple(anyMessage, fc.nat(6), fc.jsonValue())
    .map(([message, which, value]) =>
      bytesOf(
        JSON.stringify(
          Object.fromEntries(
            Object.entries(message).map((entry, i) => (i === which ? [entry[0], value] : entry)),
          ),
        ),
      ),
    ),
);
const noise = fc.uint8Array({ maxLength: 80 });

let cases = 0;
/** Whatever the bytes: undefined, or a message of the kind that comes back the same and can be worked with. */
function judge(kind: Kind, bytes: Uint8Array): boolean {
  cases++;
  const message: HandshakeMessage | undefined = parseHandshake(kind, bytes);
  if (message === undefined) return false;
  if (message.kind !== kind) throw new Error(`${message.kind} was taken for ${kind}`);
  if (Object.getPrototypeOf(message) !== Object.prototype) throw new Error('another prototype');
  const again = encodeHandshake(message);
  const parsed = parseHandshake(kind, bytesOf(again));
  if (!parsed || encodeHandshake(parsed) !== again) throw new Error('it does not survive the wire');
  if (message.kind === 'proof' || message.kind === 'welcome') {
    const transcript = { purpose: 'ring', hello: HELLO, acceptorNonce: '02'.repeat(32) } as const;
    if (provesSecret(message.proof, SECRET, 'dialler', transcript))
      throw new Error('nobody knows the secret');
  }
  return true;
}

describe.each(KINDS)('the handshake’s %s from anywhere', (kind) => {
  test('is understood or not, and nothing else', { timeout: 60_000 }, () => {
    cases = 0;
    fc.assert(
      fc.property(
        MESSAGES[kind] as fc.Arbitrary<HandshakeMessage>,
        anyMessage,
        fc.array(damage, { minLength: DAMAGES, maxLength: DAMAGES }),
        fc.array(json, { minLength: 2, maxLength: 2 }),
        noise,
        (message, other, damages, jsons, garbage) => {
          const [bytes, others] = [message, other].map((said) => bytesOf(encodeHandshake(said))) as [
            Buffer,
            Buffer,
          ];
          expect(parseHandshake(kind, bytes)).toEqual(message);
          expect(judge(kind, others)).toBe(other.kind === kind);
          for (const spoil of damages) judge(kind, spoil(bytes, others));
          for (const text of jsons) judge(kind, text);
          judge(kind, garbage);
        },
      ),
      { numRuns: RUNS },
    );
    expect(cases * KINDS.length).toBeGreaterThan(100_000);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('is not even read when it is too long', () => {
    const long = Buffer.alloc(HANDSHAKE_MESSAGE_BYTES + 1, '[');
    const huge = Buffer.alloc(8 << 20, '[');
    expect(judge(kind, long.subarray(1))).toBe(false);
    const before = collectGarbage();
    for (let i = 0; i < 100; i++) expect(judge(kind, huge) || judge(kind, long)).toBe(false);
    expect(collectGarbage() - before).toBeLessThan(1 << 20);
  });
});
