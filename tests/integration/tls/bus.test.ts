import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { makeCertificates } from '../../../deploy/setup/index.js';
import { UsageError } from '../../../proto/index.js';
import { Bus, type BusOptions } from '../../../proto/runtime/bus.js';
import { temporaryFolder } from '../cluster/gan-cluster.js';
import { startSecureNats } from './secure-nats.js';

const DAY_MS = 86_400_000;

async function certificatesIn(
  folder: string,
  natsNames: readonly string[],
  validFrom = new Date(Date.now() - DAY_MS),
): Promise<{ caFile: string; certificateFile: string; keyFile: string }> {
  await makeCertificates({ folder, natsNames, validFrom, validDays: 2 });
  const [certificateFile, keyFile] = [join(folder, 'nats', 'cert.pem'), join(folder, 'nats', 'key.pem')];
  return { caFile: join(folder, 'ca.pem'), certificateFile, keyFile };
}

const connect = (options: Partial<BusOptions> & Pick<BusOptions, 'url'>): Promise<Bus> =>
  Bus.connect({ cluster: 'test', name: 'test', ...options });

async function refusal(options: Partial<BusOptions> & Pick<BusOptions, 'url'>): Promise<string> {
  const error: unknown = await connect(options).then(
    async (bus) => {
      await bus.close();
      return new Error('it connected');
    },
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).message).not.toContain('\n');
  return (error as UsageError).message;
}

describe('the bus over TLS', () => {
  test.each(['nats', 'tls'])(
    'connects by %s:// to a name and to an address, and carries messages',
    async (scheme) => {
      const folder = temporaryFolder();
      const { caFile: tlsCaFile, ...files } = await certificatesIn(folder, ['localhost', '127.0.0.1']);
      const { port, credentialsFile } = await startSecureNats(folder, files);
      for (const host of ['localhost', '127.0.0.1']) {
        const bus = await connect({ url: `${scheme}://${host}:${port}`, tlsCaFile, credentialsFile });
        const heard = new Promise((resolve) => bus.onUp('goodbye', resolve));
        bus.up('goodbye', 'w', { workerId: 'w', reason: 'tired' });
        expect(await heard).toEqual({ workerId: 'w', reason: 'tired' });
        await bus.close();
      }
    },
  );

  test('of several servers connects to one that is there, and to none that has a certificate for none of them', async () => {
    const folder = temporaryFolder();
    const { caFile: tlsCaFile, ...files } = await certificatesIn(folder, ['127.0.0.2']);
    const { port, credentialsFile } = await startSecureNats(folder, files);
    const gone = 'tls://127.0.0.1:1';
    const urlOf = (named: string): string => `${gone},tls://127.0.0.1:${port},tls://${named}:1`;
    const bus = await connect({ url: urlOf('127.0.0.2'), tlsCaFile, credentialsFile });
    await bus.flush();
    await bus.close();
    expect(await refusal({ url: urlOf('127.0.0.3'), tlsCaFile, credentialsFile })).toMatch(
      // Of the one that was called last; nats.js calls them in any order.
      /^no NATS server answers at|shows a certificate for other names/,
    );
  });

  test('refuses a server whose certificate is of another authority', async () => {
    const folder = temporaryFolder();
    const { port, credentialsFile } = await startSecureNats(
      folder,
      await certificatesIn(folder, ['127.0.0.1']),
    );
    const other = await certificatesIn(join(folder, 'other'), ['127.0.0.1']);
    const url = `nats://127.0.0.1:${port}`;
    expect(await refusal({ url, credentialsFile, tlsCaFile: other.caFile })).toMatch(
      /^the NATS server at nats:.* shows a certificate that the authority in --tls-ca-file .* has not signed \(/,
    );
    // Without an authority of ours, those that Node knows count.
    expect(await refusal({ url, credentialsFile })).toMatch(/name the cluster's by --tls-ca-file$/);
  });

  test('refuses a server whose certificate has run out', async () => {
    const folder = temporaryFolder();
    const before = new Date(Date.now() - 10 * DAY_MS);
    const { caFile: tlsCaFile, ...files } = await certificatesIn(folder, ['127.0.0.1'], before);
    const { port } = await startSecureNats(folder, files);
    expect(await refusal({ url: `nats://127.0.0.1:${port}`, tlsCaFile })).toMatch(
      /shows a certificate that does not hold now \(certificate has expired\): make a new one/,
    );
  });

  test.each([
    ['localhost', '127.0.0.1'],
    ['127.0.0.1', 'localhost'],
    ['nats.example', '127.0.0.1'],
  ])('refuses a server whose certificate names %s and that was called %s', async (name, host) => {
    const folder = temporaryFolder();
    const { caFile: tlsCaFile, ...files } = await certificatesIn(folder, [name]);
    const { port } = await startSecureNats(folder, files);
    expect(await refusal({ url: `nats://${host}:${port}`, tlsCaFile })).toMatch(
      /shows a certificate for other names \(.*\): make one that names it$/,
    );
  });

  test('says nothing to a server without TLS', async () => {
    const folder = temporaryFolder();
    const { caFile: tlsCaFile } = await certificatesIn(folder, ['127.0.0.1']);
    const { port, credentialsFile } = await startSecureNats(folder, null);
    expect(await refusal({ url: `nats://127.0.0.1:${port}`, credentialsFile, tlsCaFile })).toMatch(
      /does not speak TLS, which --tls-ca-file asks for: give it a certificate, or leave that out$/,
    );
    expect(await refusal({ url: `tls://127.0.0.1:${port}`, credentialsFile })).toMatch(
      /does not speak TLS, which tls:\/\/ asks for/,
    );
  });

  test('refuses a file that holds no authority', async () => {
    const folder = temporaryFolder();
    const empty = join(folder, 'empty.pem');
    writeFileSync(empty, 'nothing');
    const url = 'nats://127.0.0.1:1';
    expect(await refusal({ url, tlsCaFile: empty })).toMatch(
      /empty\.pem was expected to hold a certificate as PEM/,
    );
    expect(await refusal({ url, tlsCaFile: join(folder, 'none.pem') })).toMatch(
      /none\.pem cannot be read: ENOENT/,
    );
  });
});
