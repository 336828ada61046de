import { X509Certificate } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeCertificates, type CertificateOptions } from '../../../deploy/setup/index.js';
import { UsageError } from '../../../proto/index.js';

const VALID_FROM = new Date('2026-01-01T00:00:00Z');
const FILES = [
  'ca-key.pem',
  'ca.pem',
  'coordinator/ca.pem',
  'nats/cert.pem',
  'nats/key.pem',
  'watch/ca.pem',
  'worker/ca.pem',
  'worker/cert.pem',
  'worker/key.pem',
];

let folder = '';
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'certificates-'))));
afterEach(() => rm(folder, { recursive: true }));

const make = (changes: Partial<CertificateOptions> = {}) =>
  makeCertificates({
    ...{ folder, natsNames: ['nats', '10.0.0.1', '::1'], validFrom: VALID_FROM, validDays: 730 },
    ...changes,
  });
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const certificate = (name: string): X509Certificate => new X509Certificate(read(name));
const written = (): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
const all = (): Record<string, string> => Object.fromEntries(written().map((name) => [name, read(name)]));
async function refusal(changes: Partial<CertificateOptions> = {}): Promise<string> {
  const error: unknown = await make(changes).then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).message).not.toContain('\n');
  return (error as UsageError).message;
}

describe('makeCertificates', () => {
  test('makes an authority and what it signs, keys for this user only', async () => {
    const { made } = await make();
    expect(made).toEqual(['ca.pem', 'nats/cert.pem', 'worker/cert.pem'].map((name) => join(folder, name)));
    expect(written()).toEqual(FILES);
    for (const name of FILES) {
      const mode = statSync(join(folder, name)).mode & 0o777;
      expect(mode, name).toBe(name.endsWith('key.pem') ? 0o600 : 0o644);
    }
    const authority = certificate('ca.pem');
    expect(authority.ca).toBe(true);
    for (const role of ['coordinator', 'watch', 'worker'])
      expect(read(`${role}/ca.pem`)).toBe(read('ca.pem'));
    for (const name of ['nats/cert.pem', 'worker/cert.pem']) {
      const leaf = certificate(name);
      expect([leaf.ca, leaf.checkIssued(authority), leaf.verify(authority.publicKey)]).toEqual([
        false,
        true,
        true,
      ]);
      expect(leaf.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    }
    for (const name of ['ca.pem', 'nats/cert.pem', 'worker/cert.pem']) {
      expect(new Date(certificate(name).validFrom)).toEqual(VALID_FROM);
      expect(new Date(certificate(name).validTo)).toEqual(new Date('2028-01-01T00:00:00Z'));
    }
  });

  test('names the NATS server only in its own certificate, and says what each is for', async () => {
    await make();
    const nats = certificate('nats/cert.pem');
    expect(nats.checkHost('nats')).toBe('nats');
    expect(nats.checkHost('other')).toBeUndefined();
    expect(nats.checkIP('10.0.0.1')).toBe('10.0.0.1');
    expect(nats.checkIP('::1')).toBe('::1');
    expect(certificate('worker/cert.pem').subjectAltName).toBeUndefined();
    const [server, client] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'] as const;
    expect(nats.keyUsage).toEqual([server]);
    expect(certificate('worker/cert.pem').keyUsage).toEqual([server, client]);
  });

  test('gives what Node and its OpenSSL accept on both ends', async () => {
    await make({ validFrom: new Date(Date.now() - 1_000) });
    const identity = { ca: read('ca.pem'), cert: read('worker/cert.pem'), key: read('worker/key.pem') };
    const server = createServer({ ...identity, requestCert: true, rejectUnauthorized: true }, (socket) =>
      socket.end('hello'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const socket = connect({ ...identity, host: '127.0.0.1', port, checkServerIdentity: () => undefined });
    const heard = await new Promise((resolve, reject) => {
      socket.once('data', (bytes: Buffer) => resolve(bytes.toString()));
      socket.once('error', reject);
    });
    expect(heard).toBe('hello');
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test('keeps what is there', async () => {
    await make();
    const before = all();
    expect(await make({ validFrom: new Date('2027-01-01T00:00:00Z') })).toEqual({ made: [] });
    expect(await make({ natsNames: ['nats'] })).toEqual({ made: [] });
    expect(all()).toEqual(before);
  });

  test('makes what is missing, signed by the authority that is there; half a pair is missing', async () => {
    await make();
    const before = all();
    rmSync(join(folder, 'worker/key.pem'));
    rmSync(join(folder, 'watch/ca.pem'));
    expect(await make()).toEqual({ made: [join(folder, 'worker/cert.pem')] });
    const after = all();
    expect(Object.keys(after)).toEqual(FILES);
    const changed = FILES.filter((name) => after[name] !== before[name]);
    expect(changed).toEqual(['worker/cert.pem', 'worker/key.pem']);
    expect(certificate('worker/cert.pem').checkIssued(certificate('ca.pem'))).toBe(true);
  });

  test('makes the NATS certificate anew for a name that it lacks', async () => {
    await make();
    const worker = read('worker/cert.pem');
    expect(await make({ natsNames: ['nats', 'gan.example'] })).toEqual({
      made: [join(folder, 'nats/cert.pem')],
    });
    expect(certificate('nats/cert.pem').checkHost('gan.example')).toBe('gan.example');
    expect(read('worker/cert.pem')).toBe(worker);
  });

  test('does without the key of the authority, until something has to be signed', async () => {
    await make();
    rmSync(join(folder, 'ca-key.pem'));
    expect(await make()).toEqual({ made: [] });
    expect(await refusal({ natsNames: ['other'] })).toMatch(
      /ca-key\.pem was expected: a certificate has to be signed by .*ca\.pem$/,
    );
  });

  test.each([
    ['no name', []],
    ['an empty name', ['']],
    ['a URL', ['nats://10.0.0.1:4222']],
    ['a port', ['nats:4222']],
    ['a blank', ['a b']],
  ])('refuses %s, and writes nothing', async (_, natsNames) => {
    expect(await refusal({ natsNames })).toMatch(/name/);
    expect(written()).toEqual([]);
  });

  test('says which file does not fit, and what to do', async () => {
    await make();
    const key = read('worker/key.pem');
    writeFileSync(join(folder, 'worker/key.pem'), read('nats/key.pem'));
    expect(await refusal()).toMatch(
      /worker\/key\.pem is not the key of .*; remove .* to have them made anew$/,
    );
    writeFileSync(join(folder, 'worker/key.pem'), 'nothing');
    expect(await refusal()).toMatch(/worker\/key\.pem was expected to be PEM: .*; remove it/);
    writeFileSync(join(folder, 'worker/key.pem'), key);
    rmSync(join(folder, 'ca.pem'));
    expect(await refusal()).toMatch(/nats\/cert\.pem was not signed by .*ca\.pem; remove/);
  });

  test('says that a folder cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(await refusal({ folder: join(folder, 'file', 'below') })).toMatch(
      /cannot be (read|written): ENOTDIR/,
    );
  });
});
