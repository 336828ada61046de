import { describe, expect, it } from 'vitest';
import { connectionCredentials, createNkey, parseCredentials } from '../../../proto/runtime/credentials.js';
import { UsageError } from '../../../proto/index.js';

const { seed, publicKey } = createNkey();
/** The same seed but for one character. */
const mistyped = seed.replace(/(?<=^.{20})./, (found) => (found === 'A' ? 'B' : 'A'));

describe('the text of a credentials file', () => {
  it.each([
    ['ada:lovelace', { kind: 'password', user: 'ada', password: 'lovelace' }],
    ['  ada:love:lace\r\n', { kind: 'password', user: 'ada', password: 'love:lace' }],
    ['ada:', { kind: 'password', user: 'ada', password: '' }],
    [`${seed}\n`, { kind: 'nkey', seed, publicKey }],
  ])('%j', (text, expected) => {
    expect(parseCredentials(text)).toEqual(expected);
  });

  it.each([
    ...['', '\n', ':x', 'ada', 'a:b\nc:d', publicKey, mistyped, seed.slice(0, -2), `${seed}\n${seed}`],
    ...[seed.toLowerCase(), `S${'A'.repeat(57)}`, '-----BEGIN NATS USER JWT-----'],
  ])('%j is none', (text) => {
    expect(parseCredentials(text)).toBeNull();
  });

  it('a new key is another one each time', () => {
    expect(createNkey().seed).not.toBe(seed);
    expect(publicKey).toMatch(/^U[A-Z2-7]{55}$/);
  });
});

describe('a credentials file', () => {
  it('that is not there is told in one line', () => {
    const read = (): unknown => connectionCredentials('/nowhere/nats.creds');
    expect(read).toThrow(UsageError);
    expect(read).toThrow(/^--nats-creds-file: \/nowhere\/nats\.creds cannot be read: [^\n]+$/);
  });
});
