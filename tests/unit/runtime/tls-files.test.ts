import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificates } from '../../../deploy/setup/index.js';
import { UsageError } from '../../../proto/index.js';
import { tlsErrorInWords } from '../../../proto/runtime/bus-tls.js';
import { readCaFile, readTlsIdentity, type TlsIdentityFiles } from '../../../proto/runtime/tls-files.js';

const VALID_FROM = new Date('2026-01-01T00:00:00Z');
const NOW = new Date('2026-06-01T00:00:00Z');

let folder = '';
const file = (...names: string[]): string => join(folder, ...names);
const read = (path: string): string => readFileSync(path, 'utf8');
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-files-'));
  for (const cluster of ['ours', 'theirs'])
    await makeCertificates({
      ...{ folder: file(cluster), natsNames: ['nats'], validFrom: VALID_FROM, validDays: 730 },
    });
  writeFileSync(
    file('bundle.pem'),
    `# both\n${read(file('theirs', 'ca.pem'))}\n${read(file('ours', 'ca.pem'))}`,
  );
  writeFileSync(file('broken.pem'), read(file('ours', 'ca.pem')).replace('MII', 'AAA'));
});
afterAll(() => rm(folder, { recursive: true }));

const ours = (changes: Partial<TlsIdentityFiles> = {}): TlsIdentityFiles => ({
  caFile: file('ours', 'ca.pem'),
  certificateFile: file('ours', 'worker', 'cert.pem'),
  keyFile: file('ours', 'worker', 'key.pem'),
  ...changes,
});

describe('readTlsIdentity', () => {
  test('reads the three', () => {
    expect(readTlsIdentity(ours(), NOW)).toEqual({
      ca: read(file('ours', 'ca.pem')),
      certificate: read(file('ours', 'worker', 'cert.pem')),
      key: read(file('ours', 'worker', 'key.pem')),
    });
  });

  test('takes a file with several authorities', () => {
    expect(readTlsIdentity(ours({ caFile: file('bundle.pem') }), NOW)?.ca).toBe(read(file('bundle.pem')));
  });

  test('is nothing without certificate and key: an authority alone is for NATS', () => {
    const none = { certificateFile: undefined, keyFile: undefined };
    expect(readTlsIdentity(ours(none), NOW)).toBeUndefined();
    expect(readTlsIdentity({ ...none, caFile: undefined }, NOW)).toBeUndefined();
  });

  const cases: [string, () => Partial<TlsIdentityFiles>, Date, RegExp][] = [
    ['no key', () => ({ keyFile: undefined }), NOW, /together; missing: --ring-key-file$/],
    ['no certificate', () => ({ certificateFile: undefined }), NOW, /; missing: --ring-cert-file$/],
    [
      'nothing but a key',
      () => ({ caFile: undefined, certificateFile: undefined }),
      NOW,
      /together; missing: --tls-ca-file, --ring-cert-file$/,
    ],
    [
      'a missing file',
      () => ({ keyFile: file('none') }),
      NOW,
      /^--ring-key-file: .*none cannot be read: ENOENT/,
    ],
    [
      'a key for a certificate',
      () => ({ certificateFile: file('ours', 'worker', 'key.pem') }),
      NOW,
      /^--ring-cert-file: .*key\.pem was expected to hold a certificate as PEM \(/,
    ],
    [
      'a certificate for a key',
      () => ({ keyFile: file('ours', 'worker', 'cert.pem') }),
      NOW,
      /^--ring-key-file: .*cert\.pem was expected to hold a private key as PEM \(/,
    ],
    [
      "another certificate's key",
      () => ({ keyFile: file('ours', 'nats', 'key.pem') }),
      NOW,
      /^--ring-key-file: .* is not the key of the certificate in .*worker\/cert\.pem$/,
    ],
    [
      'another authority',
      () => ({ caFile: file('theirs', 'ca.pem') }),
      NOW,
      /^--ring-cert-file: .* was not signed by the authority in .*theirs\/ca\.pem$/,
    ],
    [
      'an authority that is none',
      () => ({ caFile: file('ours', 'worker', 'key.pem') }),
      NOW,
      /^--tls-ca-file: .*key\.pem was expected to hold a certificate as PEM, and holds none$/,
    ],
    [
      'a broken authority',
      () => ({ caFile: file('broken.pem') }),
      NOW,
      /^--tls-ca-file: .*broken\.pem was expected to hold certificates as PEM \(/,
    ],
    [
      'a time before the certificate',
      () => ({}),
      new Date('2025-12-31T00:00:00Z'),
      /cert\.pem holds from Jan {2}1 00:00:00 2026 GMT to .*, and it is Wed, 31 Dec 2025/,
    ],
    ['a time after it', () => ({}), new Date('2028-02-01T00:00:00Z'), /and it is Tue, 01 Feb 2028/],
  ];
  test.each(cases)('refuses %s', (_, changes, now, words) => {
    const refused = (): unknown => readTlsIdentity(ours(changes()), now);
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(words);
  });
});

test('readCaFile gives the PEM', () => {
  expect(readCaFile(file('ours', 'ca.pem'))).toBe(read(file('ours', 'ca.pem')));
});

describe('tlsErrorInWords', () => {
  test('leaves errors alone that are about something else', () => {
    for (const code of ['CONNECTION_REFUSED', 'AUTHORIZATION_VIOLATION', 'TIMEOUT', undefined])
      expect(tlsErrorInWords({ code, message: 'x' }, 'nats://a:1', undefined)).toBeNull();
  });

  test('says something about every TLS error', () => {
    expect(
      tlsErrorInWords({ code: 'ERR_SSL_UNSUPPORTED_PROTOCOL', message: 'x' }, 'tls://a:1', 'ca.pem'),
    ).toBe('no TLS can be spoken with the NATS server at tls://a:1 (x)');
  });
});
