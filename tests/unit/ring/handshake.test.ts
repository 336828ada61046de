import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PROTOCOL_VERSION } from '../../../proto/index.js';
import {
  encodeHandshake,
  HANDSHAKE_MESSAGE_BYTES,
  parseHandshake,
  proofOf,
  provesSecret,
  type Hello,
  type Transcript,
} from '../../../worker/ring/handshake.js';

const SECRET = 'ab'.repeat(32);
const HELLO: Hello = {
  kind: 'hello',
  protocol: PROTOCOL_VERSION,
  runId: 'run-1',
  ringEpoch: 7,
  fromRank: 1,
  toRank: 0,
  nonce: '01'.repeat(32),
};
const TRANSCRIPT: Transcript = { purpose: 'ring', hello: HELLO, acceptorNonce: '02'.repeat(32) };
const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');
const KINDS = ['hello', 'challenge', 'proof', 'welcome'] as const;

describe('handshake', () => {
  test('a hello survives the wire', () => {
    expect(parseHandshake('hello', bytesOf(encodeHandshake(HELLO)))).toEqual(HELLO);
  });

  test('only the kind that is due is understood', () => {
    for (const kind of KINDS) {
      const understood = parseHandshake(kind, bytesOf(encodeHandshake(HELLO))) !== undefined;
      expect(understood).toBe(kind === 'hello');
    }
  });

  test('fields that are missing, wrong or too many are refused', () => {
    const wrong: unknown[] = [
      { ...HELLO, protocol: PROTOCOL_VERSION + 1 },
      { ...HELLO, fromRank: -1 },
      { ...HELLO, fromRank: 1e9 },
      { ...HELLO, ringEpoch: 1.5 },
      { ...HELLO, nonce: 'zz'.repeat(32) },
      { ...HELLO, nonce: '01' },
      { ...HELLO, runId: '' },
      { ...HELLO, more: 1 },
      { ...HELLO, runId: undefined },
      [HELLO],
      null,
    ];
    for (const message of wrong)
      expect(parseHandshake('hello', bytesOf(JSON.stringify(message)))).toBeUndefined();
    const long = JSON.stringify(HELLO).padEnd(HANDSHAKE_MESSAGE_BYTES + 1, ' ');
    expect(parseHandshake('hello', bytesOf(long))).toBeUndefined();
  });

  test('nothing makes the parser do anything but parse or refuse', { timeout: 60_000 }, () => {
    const noise = fc.uint8Array({ maxLength: 300 });
    const json = fc.json().map(bytesOf);
    const near = fc
      .tuple(fc.constantFrom(...Object.keys(HELLO)), fc.jsonValue())
      .map(([field, value]) => bytesOf(JSON.stringify({ ...HELLO, [field]: value })));
    fc.assert(
      fc.property(fc.oneof(noise, json, near), fc.constantFrom(...KINDS), (bytes, kind) => {
        const parsed = parseHandshake(kind, bytes);
        if (parsed) expect(parsed.kind).toBe(kind);
      }),
      { numRuns: 20_000 },
    );
  });

  test('a proof holds for one secret, one role and every field that was said', () => {
    const proof = proofOf(SECRET, 'dialler', TRANSCRIPT);
    expect(provesSecret(proof, SECRET, 'dialler', TRANSCRIPT)).toBe(true);
    expect(provesSecret(proof, SECRET, 'acceptor', TRANSCRIPT)).toBe(false);
    expect(provesSecret(proof, 'cd'.repeat(32), 'dialler', TRANSCRIPT)).toBe(false);
    const others: Transcript[] = [
      { ...TRANSCRIPT, acceptorNonce: '03'.repeat(32) },
      { ...TRANSCRIPT, hello: { ...HELLO, nonce: '03'.repeat(32) } },
      { ...TRANSCRIPT, hello: { ...HELLO, runId: 'run-2' } },
      { ...TRANSCRIPT, hello: { ...HELLO, ringEpoch: 8 } },
      { ...TRANSCRIPT, hello: { ...HELLO, fromRank: 2 } },
      { ...TRANSCRIPT, hello: { ...HELLO, toRank: 2 } },
    ];
    for (const other of others) expect(provesSecret(proof, SECRET, 'dialler', other)).toBe(false);
  });

  test('the secret is in nothing that is sent', () => {
    const said = [
      encodeHandshake(HELLO),
      encodeHandshake({ kind: 'proof', proof: proofOf(SECRET, 'dialler', TRANSCRIPT) }),
      encodeHandshake({ kind: 'welcome', proof: proofOf(SECRET, 'acceptor', TRANSCRIPT) }),
    ].join();
    expect(said).not.toContain(SECRET);
  });
});
