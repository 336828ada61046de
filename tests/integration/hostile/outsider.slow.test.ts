import { randomBytes } from 'node:crypto';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectNats } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../chaos/free-port.js';
import { PROTOCOL_VERSION } from '../../../proto/index.js';
import { encodeHandshake, proofOf, type Hello } from '../../../worker/ring/handshake.js';
import { REFUSAL_REASONS } from '../../../worker/ring/index.js';
import { at, randomVectors, sumOf } from '../../unit/ring/memory-ring.js';
import { temporaryFolder } from '../cluster/gan-cluster.js';
import { RUN, clusterOfRoles, hashOf, trainedTo, unrestrictedHash } from '../nats-roles/cluster-of-roles.js';
import { Fixture, HOST, membersOf } from '../ring/ring-fixture.js';
import { connected, ended, FRAME, maskedFrame, upgrade } from './raw-peer.js';

/** Connections that an outsider makes at once, more than a ring port holds before they have proven anything. */
const FLOOD = 200;
/** One that is held until its deadline is not waited for. */
const PATIENCE_MS = 300;

/** Says `bytes` and listens for a moment; resolves with what came. */
async function intrude(port: number, bytes: readonly (string | Uint8Array)[]): Promise<Buffer> {
  const socket = connect(port, HOST);
  const heard: Buffer[] = [];
  socket.on('error', () => undefined).on('data', (data) => heard.push(data));
  for (const part of bytes) socket.write(part);
  await Promise.race([ended(socket), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  socket.destroy();
  return Buffer.concat(heard);
}

const said = (message: Parameters<typeof encodeHandshake>[0]): Buffer =>
  maskedFrame(FRAME.text, encodeHandshake(message));

/** What somebody says at a ring port who knows everything but the secret; ring epochs are small numbers. */
function guesses(): (string | Uint8Array)[][] {
  const paths = ['/ring', '/state'] as const;
  return [
    ['garbage\r\n\r\n'],
    [randomBytes(65_536)],
    [`GET /ring HTTP/1.1\r\nX: ${'x'.repeat(65_536)}`],
    [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ...paths.flatMap((path) => [
      [upgrade(path), randomBytes(10_000)],
      [upgrade(path), Buffer.from('81ff000000e8d4a5100000000000', 'hex')],
      [upgrade(path), maskedFrame(FRAME.text, 'garbage')],
      ...Array.from({ length: 20 }, (_, ringEpoch) => {
        const hello: Hello = {
          ...{ protocol: PROTOCOL_VERSION, runId: RUN, ringEpoch, fromRank: 1, toRank: 0 },
          ...{ kind: 'hello', nonce: randomBytes(32).toString('hex') },
        };
        const transcript = {
          purpose: path === '/ring' ? 'ring' : 'state',
          hello,
          acceptorNonce: '00'.repeat(32),
        } as const;
        const proof = proofOf('cd'.repeat(32), 'dialler', transcript);
        return [upgrade(path), said(hello), said({ kind: 'proof', proof })];
      }),
    ]),
  ];
}

const metricOf = async (port: number, name: string): Promise<number> => {
  const text = await (await fetch(`http://${HOST}:${port}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
};

describe('an outsider who knows the addresses and no secret', { timeout: 300_000 }, () => {
  test('changes nothing in a run: not at the rings, at HTTP, or at NATS', async () => {
    const { server, cluster } = await clusterOfRoles();
    const shape = ['--data', 'synthetic', '--shards', '2', '--shard-batch', '8', '--steps', '400'];
    const expected = await unrestrictedHash(shape);
    const out = join(temporaryFolder(), 'run');
    const [page, ownMetrics, ...ports] = await Promise.all(Array.from({ length: 6 }, freePort));
    const [ringA = 0, metricsA = 0, ringB = 0, metricsB = 0] = ports;
    const coordinator = cluster.start('coordinator', [
      ...[...shape, '--out', out, '--run-id', RUN, '--workers', '2'],
      ...['--http-port', String(page), '--metrics-port', String(ownMetrics)],
    ]);
    const workers = [
      [ringA, metricsA],
      [ringB, metricsB],
    ].map(([ring, metrics]) =>
      cluster.start('worker', ['--ring-port', String(ring), '--metrics-port', String(metrics)]),
    );
    const watch = cluster.start('watch', ['--json']);
    await trainedTo(watch, 20);

    // Held open through everything: silent at the rings, dripping at HTTP.
    const held: Socket[] = [];
    const hold = async (port: number, first: string): Promise<void> => {
      const sockets = await Promise.all(Array.from({ length: FLOOD }, () => connected(port)));
      for (const socket of sockets) socket.write(first);
      held.push(...sockets);
    };
    for (const port of [page ?? 0, ownMetrics ?? 0, metricsA]) await hold(port, 'GET / HTTP/1.1\r\nX-Drip: ');
    for (const port of [ringA, ringB]) {
      const heard = await Promise.all(guesses().map((bytes) => intrude(port, bytes)));
      // Nobody was welcomed, and nothing as long as a state came.
      expect(Buffer.concat(heard).includes('welcome')).toBe(false);
      for (const answer of heard) expect(answer.byteLength).toBeLessThan(4_096);
      await hold(port, '');
    }
    const requests: (string | Uint8Array)[][] = [
      ['garbage\r\n\r\n'],
      [randomBytes(100_000)],
      [`GET /metrics HTTP/1.1\r\nHost: ${'x'.repeat(100_000)}\r\n\r\n`],
      [`POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n`],
      ['GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n'],
      [upgrade('/live').replace('Host: x', 'Host: localhost'), randomBytes(10_000)],
      [upgrade('/live').replace('Host: x', 'Host: stranger')],
      [upgrade('/nowhere')],
    ];
    for (const port of [page ?? 0, ownMetrics ?? 0, metricsA])
      await Promise.all(requests.map((bytes) => intrude(port, bytes)));
    const natsPort = Number(new URL(server.url).port);
    for (const line of [
      'garbage\r\n',
      'CONNECT {}\r\nPING\r\n',
      `PUB gan.c1.all.stop 1\r\nx\r\n`,
      'SUB > 1\r\n',
    ])
      await Promise.all(Array.from({ length: 20 }, () => intrude(natsPort, [line])));
    await expect(connectNats({ servers: server.url, reconnect: false })).rejects.toMatchObject({
      code: 'AUTHORIZATION_VIOLATION',
    });

    // All this while the run went on.
    expect(coordinator.child.exitCode).toBeNull();
    for (const metrics of [metricsA, metricsB])
      expect(await metricOf(metrics, 'gan_worker_rejected_peers_total')).toBeGreaterThan(20);
    expect(await metricOf(metricsA, 'gan_worker_rejected_peers_total{reason="malformed"}')).toBeGreaterThan(
      0,
    );
    for (const process of [watch, ...workers]) expect((await process.finished).status).toBe(0);
    for (const socket of held) socket.destroy();
    expect((await coordinator.finished).status).toBe(0);
    expect(hashOf(out)).toBe(expected);
    // One ring epoch from the first step to the last: nobody even had to begin again.
    expect(
      [...new Set(watch.output.match(/"ringEpochReason":"[^"]*"/g))].filter(
        (why) => !why.includes('first world') && !why.endsWith('""'),
      ),
    ).toEqual([]);
  });
});

describe('a handshake that was overheard', () => {
  let fixture: Fixture;
  const proxies: { close(): void }[] = [];
  beforeEach(() => (fixture = new Fixture()));
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) proxy.close();
    await fixture.close();
  });

  /** Passes everything on to `port`, and keeps what each caller said. */
  async function overhear(port: number): Promise<{ port: number; heard: Buffer[][] }> {
    const heard: Buffer[][] = [];
    const proxy = createServer((caller) => {
      const bytes: Buffer[] = [];
      heard.push(bytes);
      const callee = connect(port, HOST);
      for (const socket of [caller, callee]) socket.on('error', () => undefined);
      caller.on('data', (data) => bytes.push(data)).pipe(callee);
      callee.pipe(caller);
    });
    await new Promise<void>((resolve) => proxy.listen(0, HOST, resolve));
    proxies.push(proxy);
    return { port: (proxy.address() as AddressInfo).port, heard };
  }

  test.each(['/ring', '/state'])(
    'opens nothing within its own ring epoch when it is played again at %s, byte for byte',
    async (path) => {
      const servers = await Promise.all([fixture.listen(), fixture.listen()]);
      const lines = await Promise.all(servers.map(({ port }) => overhear(port)));
      const members = membersOf(servers).map((member, i) => ({ ...member, port: lines[i]?.port ?? 0 }));
      const addressOf = ({ host, port }: { host: string; port: number }) => ({ host, port });
      const rings = await Promise.all(
        servers.map((server, rank) => fixture.open(server, rank, members, { addressOf })),
      );
      const reduce = async (update: number): Promise<void> => {
        const vectors = randomVectors(2, 50_000, update);
        const sum = sumOf(vectors);
        await Promise.all(
          rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update, attempt: 0 })),
        );
        for (const vector of vectors) expect(vector.every((value, i) => value === sum[i])).toBe(true);
      };
      await reduce(0);
      const recordings = lines.flatMap(({ heard }, i) =>
        heard.map((bytes) => ({ port: servers[i]?.port ?? 0, bytes: Buffer.concat(bytes) })),
      );
      expect(recordings).toHaveLength(2);
      let update = 1;
      for (const { port, bytes } of recordings) {
        const text = bytes.toString('latin1').replace('/ring', path);
        expect(text.startsWith(`GET ${path} `)).toBe(true);
        // Alone, at the same time as itself, and while the ring sums.
        const playing = Array.from({ length: 10 }, () => intrude(port, [Buffer.from(text, 'latin1')]));
        await reduce(update++);
        for (const answer of await Promise.all(playing)) expect(answer.includes('welcome')).toBe(false);
      }
      await reduce(update);
      for (const { refusals } of servers)
        expect(REFUSAL_REASONS.reduce((sum, reason) => sum + refusals.of(reason), 0)).toBe(10);
    },
  );
});
