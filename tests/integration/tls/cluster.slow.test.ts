import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeCertificates } from '../../../deploy/setup/index.js';
import { GanCluster, ganCluster, readRunFile, temporaryFolder } from '../cluster/gan-cluster.js';
import { startSecureNats } from './secure-nats.js';

const RUN = ['--data', 'synthetic', '--shards', '4', '--shard-batch', '8', '--steps', '12', '--seed', '3'];

interface Cluster {
  /** Flags of every process. */
  readonly shared: readonly string[];
  readonly tls: readonly string[];
  readonly folder: string;
}

async function secureCluster(): Promise<Cluster> {
  const folder = temporaryFolder();
  const certificates = join(folder, 'certificates');
  await makeCertificates({
    folder: certificates,
    natsNames: ['localhost'],
    validFrom: new Date(Date.now() - 3_600_000),
    validDays: 1,
  });
  const file = (...names: string[]): string => join(certificates, ...names);
  const { port, credentialsFile } = await startSecureNats(folder, {
    certificateFile: file('nats', 'cert.pem'),
    keyFile: file('nats', 'key.pem'),
  });
  const shared = [
    ...['--nats-url', `tls://localhost:${port}`, '--nats-creds-file', credentialsFile],
    ...['--tls-ca-file', file('ca.pem'), '--log-level', 'warn'],
  ];
  const tls = ['--ring-cert-file', file('worker', 'cert.pem'), '--ring-key-file', file('worker', 'key.pem')];
  return { folder, shared, tls };
}

/** By the machine's own address in place of loopback, so that the two meet over the network and not over a Unix socket. */
const worker = ({ shared }: Cluster, name: string, more: readonly string[]): GanCluster =>
  new GanCluster(['worker', ...shared, '--worker-id', name, '--advertise-host', '0.0.0.0', ...more]);

describe('a real cluster over TLS', () => {
  test('ends with the same state as a plain one', { timeout: 120_000 }, async () => {
    const cluster = await secureCluster();
    const plain = join(cluster.folder, 'plain');
    const secure = join(cluster.folder, 'secure');
    const coordinator = new GanCluster([
      ...['coordinator', ...cluster.shared, ...RUN, '--workers', '2', '--out', secure, '--run-id', 'secure'],
    ]);
    const workers = ['a', 'b'].map((name) => worker(cluster, name, cluster.tls));
    const ends = await Promise.all([coordinator, ...workers].map(({ finished }) => finished));
    expect(ends.map(({ status, stderr }) => [status, stderr])).toEqual(ends.map(() => [0, '']));
    const end = await ganCluster(['train', ...RUN, '--workers', '2', '--out', plain]);
    expect(end.status).toBe(0);
    expect(readRunFile(secure).stateSha256).toBe(readRunFile(plain).stateSha256);
    const sent = readRunFile(secure).workers.map(({ ringBytesSent }) => ringBytesSent);
    expect(sent).toHaveLength(2);
    expect(Math.min(...sent)).toBeGreaterThan(1_000_000);
  });

  test(
    'a worker without ring certificates is refused in words, and the run waits for a better one',
    { timeout: 120_000 },
    async () => {
      const cluster = await secureCluster();
      const out = join(cluster.folder, 'mixed');
      const coordinator = new GanCluster([
        ...['coordinator', ...cluster.shared, ...RUN, '--workers', '2', '--out', out, '--run-id', 'mixed'],
      ]);
      const first = worker(cluster, 'secure', [...cluster.tls, '--log-level', 'info']);
      await new Promise<void>((resolve) =>
        first.child.stderr?.on('data', (text: string) => {
          if (text.includes('welcomed')) resolve();
        }),
      );
      const refused = await worker(cluster, 'plain', []).finished;
      expect(refused.status).toBe(2);
      expect(refused.stderr).toBe(
        'error: a ring with TLS was expected, as secure has it, plain came without: give all workers --tls-ca-file, --ring-cert-file and --ring-key-file, or none the latter two\n',
      );
      const second = worker(cluster, 'late', cluster.tls);
      const ends = await Promise.all([coordinator, first, second].map(({ finished }) => finished));
      expect(ends.map(({ status }) => status)).toEqual([0, 0, 0]);
    },
  );
});

describe('files that do not fit', () => {
  const cases: [string, (cluster: Cluster) => readonly string[], RegExp][] = [
    [
      'a certificate without its key',
      ({ tls }) => tls.slice(0, 2),
      /^error: a ring with TLS needs --tls-ca-file, --ring-cert-file and --ring-key-file together; missing: --ring-key-file\n$/,
    ],
    [
      'a key that is another one',
      ({ tls }) => [...tls.slice(0, 3), String(tls[3]).replace('worker', 'nats')],
      /^error: --ring-key-file: .* is not the key of the certificate in .*cert\.pem\n$/,
    ],
    [
      'a certificate that is none',
      ({ tls }) => ['--ring-cert-file', String(tls[3]), ...tls.slice(2)],
      /^error: --ring-cert-file: .* was expected to hold a certificate as PEM \(.*\)\n$/,
    ],
  ];
  test.each(cases)('%s: one line, exit status 2', { timeout: 60_000 }, async (_, flags, words) => {
    const cluster = await secureCluster();
    const { status, stderr } = await worker(cluster, 'w', flags(cluster)).finished;
    expect(stderr).toMatch(words);
    expect(status).toBe(2);
  });
});
