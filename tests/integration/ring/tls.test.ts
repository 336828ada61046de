import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OperationalError, RingMember } from '../../../proto/index.js';
import { plainAdder, serveState, type RingServer, type RingTls } from '../../../worker/ring/index.js';
import { REFUSAL_REASONS, type RefusalReason } from '../../../worker/ring/index.js';
import { WebSocketIncomingLink } from '../../../worker/ring/websocket-link.js';
import { ManualClock } from '../../unit/ring/manual-clock.js';
import { at, randomVectors, sumOf } from '../../unit/ring/memory-ring.js';
import { expiredRingTls, newRingTls } from './ring-certificates.js';
import { admissionOf, Fixture, HOST, membersOf } from './ring-fixture.js';

const HANDSHAKE_MS = 5_000;
const PENDING_SOCKETS = 3;

const [ours, theirs, expired] = await Promise.all([newRingTls(), newRingTls(), expiredRingTls()]);

let fixture: Fixture;
let clock: ManualClock;
let server: RingServer;
let admitted: number;

beforeEach(async () => {
  fixture = new Fixture();
  clock = new ManualClock();
  server = await fixture.listen({
    tls: ours,
    clock,
    handshakeMs: HANDSHAKE_MS,
    pendingSockets: PENDING_SOCKETS,
  });
  admitted = 0;
  server.admit(admissionOf(), () => admitted++);
});
afterEach(() => fixture.close());

const settled = <T>(check: () => T): Promise<T> => vi.waitFor(check, { interval: 1, timeout: 10_000 });
const ended = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.on('close', resolve));
const addressOf = ({ host, port }: RingMember) => ({ host, port });

/** Calls the server, with these certificates or plainly. */
async function dial(tls: RingTls | undefined, target = server): Promise<OperationalError | undefined> {
  const adder = plainAdder();
  return fixture
    .dial(target, () => undefined, {
      connect: () => WebSocketIncomingLink.connect({ host: HOST, port: target.port }, adder, tls),
      tls: tls !== undefined,
    })
    .catch((error: OperationalError) => error);
}

async function expectRefused(
  counts: Partial<Record<RefusalReason, number>>,
  target: RingServer = server,
): Promise<void> {
  await settled(() => {
    const counted = REFUSAL_REASONS.map((reason) => [reason, target.refusals.of(reason)] as const);
    expect(Object.fromEntries(counted.filter(([, count]) => count > 0))).toEqual(counts);
  });
}

function rawSocket(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, HOST, () => resolve(socket));
    socket.on('error', reject);
  });
}

test('one of the cluster is let in', async () => {
  expect(await dial(ours)).toBeUndefined();
  expect(admitted).toBe(1);
  await expectRefused({});
});

test('a certificate in order is no proof of the secret', async () => {
  const adder = plainAdder();
  const error = await fixture
    .dial(server, () => undefined, {
      connect: () => WebSocketIncomingLink.connect({ host: HOST, port: server.port }, adder, ours),
      tls: true,
      secret: 'cd'.repeat(32),
    })
    .catch((refused: OperationalError) => refused);
  expect(error?.message).toContain('refused the connection: bad-secret');
  await expectRefused({ 'bad-secret': 1 });
});

describe('who is refused', () => {
  test('a dialler with a certificate of another authority, by both sides', async () => {
    const error = await dial(theirs);
    expect(error?.code).toBe('ring-refused');
    expect(error?.message).toContain(
      'did not agree on certificates: both were expected to be valid and signed',
    );
    await settled(() => expect(server.pendingCount).toBe(0));
    // It was the first to refuse, and counted that; then it was gone.
    await expectRefused({ 'bad-certificate': 1, incomplete: 1 });
    expect(admitted).toBe(0);
  });

  const foreign: [string, () => Partial<RingTls>][] = [
    ['of another authority', () => ({ certificate: theirs.certificate, key: theirs.key })],
    ['that has run out', () => ({ certificate: expired.certificate, key: expired.key })],
  ];
  for (const [what, certificate] of foreign) {
    test(`a dialler that takes our certificate and shows one ${what}`, async () => {
      const error = await dial({ ...ours, ...certificate() });
      expect(error?.code).toBe('ring-peer-lost');
      expect(error?.message).toMatch(/cannot be reached: .*; does it speak TLS, with the same CA\?$/);
      await expectRefused({ 'bad-certificate': 1 });
      expect(admitted).toBe(0);
    });
  }

  test('a dialler that shows no certificate', async () => {
    const socket = connectTls({
      host: HOST,
      port: server.port,
      ca: ours.ca,
      checkServerIdentity: () => undefined,
    });
    socket.on('error', () => undefined);
    socket.on('secureConnect', () => socket.write('GET /ring HTTP/1.1\r\nHost: x\r\n\r\n'));
    await ended(socket);
    await expectRefused({ 'bad-certificate': 1 });
  });

  test('a session is not taken up again', async () => {
    const { ca, certificate: cert, key } = ours;
    const options = { host: HOST, port: server.port, ca, cert, key, checkServerIdentity: () => undefined };
    const first = connectTls(options);
    const session = await new Promise<Buffer>((resolve) => first.once('session', resolve));
    const closed = ended(first);
    first.destroy();
    await closed;
    await settled(() => expect(server.pendingCount).toBe(0));
    const again = connectTls({ ...options, session });
    again.on('error', () => undefined);
    await new Promise((resolve) => again.once('secureConnect', resolve));
    expect(again.isSessionReused()).toBe(true);
    await ended(again);
    await settled(() => expect(server.refusals.of('bad-certificate')).toBe(1));
  });

  test('a server whose certificate has run out, by the dialler', async () => {
    const old = await fixture.listen({
      tls: { ...ours, certificate: expired.certificate, key: expired.key },
    });
    const error = await dial({ ...ours, ca: expired.ca }, old);
    expect(error?.code).toBe('ring-refused');
    expect(error?.message).toContain('certificate has expired');
  });

  test('a plain dialler, which is told what it may be', async () => {
    const error = await dial(undefined);
    expect(error?.code).toBe('ring-peer-lost');
    expect(error?.message).toMatch(/cannot be reached: socket hang up; does it expect TLS\?$/);
    await expectRefused({ 'not-tls': 1 });
    expect(server.pendingCount).toBe(0);
  });

  test('bytes that are nothing', async () => {
    const socket = await rawSocket();
    socket.on('error', () => undefined);
    const end = ended(socket.resume());
    socket.write('garbage garbage garbage garbage\r\n');
    await end;
    await expectRefused({ 'not-tls': 1 });
  });

  test('a server that answers a TLS hello in plain words, by the dialler', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => plain.listen(0, HOST, resolve));
    const { port } = plain.address() as { port: number };
    const error = await fixture
      .dial(server, () => undefined, {
        port,
        connect: () => WebSocketIncomingLink.connect({ host: HOST, port }, plainAdder(), ours),
        tls: true,
      })
      .catch((refused: OperationalError) => refused);
    expect(error?.code).toBe('ring-refused');
    expect(error?.message).toContain('does not speak TLS as this worker does: all workers of a cluster have');
    await expectRefused({ 'not-tls': 1 });
    await new Promise((resolve) => plain.close(resolve));
  });

  test('a plain server, by a dialler with TLS', async () => {
    const plain = await fixture.listen();
    plain.admit(admissionOf(), () => admitted++);
    const error = await dial(ours, plain);
    expect(error?.code).toBe('ring-peer-lost');
    expect(error?.message).toMatch(/cannot be reached: .*; does it speak TLS, with the same CA\?$/);
    await expectRefused({ malformed: 1 }, plain);
    expect(admitted).toBe(0);
  });
});

describe('a TLS handshake that does not end', () => {
  const hellos: [string, Buffer][] = [
    ['that never begins', Buffer.alloc(0)],
    ['that stops in the middle', Buffer.from('16030100c8010000c40303', 'hex')],
  ];
  for (const [what, bytes] of hellos) {
    test(`one ${what} is cut by the deadline`, async () => {
      const socket = await rawSocket();
      socket.on('error', () => undefined);
      const end = ended(socket.resume());
      socket.write(bytes);
      await settled(() => expect(server.pendingCount).toBe(1));
      clock.advance(HANDSHAKE_MS - 1);
      expect(server.pendingCount).toBe(1);
      clock.advance(1);
      await end;
      await expectRefused({ deadline: 1 });
      await settled(() => expect([server.pendingCount, server.connectionCount]).toEqual([0, 0]));
      expect(clock.timerCount).toBe(0);
    });
  }

  /** Speaks TLS as a member would, and nothing after it yet. */
  const tlsSocket = () => {
    const { ca, certificate: cert, key } = ours;
    const socket = connectTls({
      host: HOST,
      port: server.port,
      ca,
      cert,
      key,
      checkServerIdentity: () => undefined,
    });
    return socket.on('error', () => undefined);
  };

  test('one deadline for TLS and what follows', async () => {
    const socket = tlsSocket();
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const end = ended(socket.resume());
    clock.advance(HANDSHAKE_MS);
    await end;
    await expectRefused({ deadline: 1 });
  });

  test('many are no more than may be pending', async () => {
    const sockets = await Promise.all(Array.from({ length: PENDING_SOCKETS }, () => rawSocket()));
    await settled(() => expect(server.pendingCount).toBe(PENDING_SOCKETS));
    const extra = await rawSocket();
    await ended(extra.resume());
    await expectRefused({ 'too-many': 1 });
    for (const socket of sockets) socket.destroy();
    await settled(() => expect(server.pendingCount).toBe(0));
    expect(await dial(ours)).toBeUndefined();
  });

  test('a header without end is refused at the cap', async () => {
    const socket = tlsSocket();
    const end = ended(socket.resume());
    socket.write(`GET /ring HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`);
    await end;
    await expectRefused({ oversize: 1 });
  });
});

describe('a ring', () => {
  test('with one plain worker fails on both sides, soon, with the reason', async () => {
    const servers = [await fixture.listen({ tls: ours }), await fixture.listen()];
    const members = membersOf(servers);
    const errors = await Promise.all(
      servers.map((own, rank) =>
        fixture.open(own, rank, members, { addressOf }).catch((error: OperationalError) => error),
      ),
    );
    expect((errors[0] as OperationalError).message).toContain('does it speak TLS, with the same CA?');
    expect((errors[1] as OperationalError).message).toContain('does it expect TLS?');
  });

  test('goes on over the same servers for the next ring epochs', async () => {
    const servers = [await fixture.listen({ tls: ours }), await fixture.listen({ tls: ours })];
    const members = membersOf(servers);
    for (let ringEpoch = 1; ringEpoch <= 3; ringEpoch++) {
      const rings = await Promise.all(
        servers.map((own, rank) => fixture.open(own, rank, members, { ringEpoch, addressOf })),
      );
      const vectors = randomVectors(2, 100_000, ringEpoch);
      const sum = sumOf(vectors);
      await Promise.all(
        rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 0, attempt: 0 })),
      );
      expect(at(vectors, 0)).toEqual(sum);
      expect(at(vectors, 1)).toEqual(sum);
      for (const ring of rings) ring.close();
    }
    for (const own of servers) await settled(() => expect(own.connectionCount).toBe(0));
  });

  test('whose connections are dropped is lost on both sides', async () => {
    const servers = [await fixture.listen({ tls: ours }), await fixture.listen({ tls: ours })];
    const members = membersOf(servers);
    const rings = await Promise.all(
      servers.map((own, rank) => fixture.open(own, rank, members, { addressOf })),
    );
    at(servers, 0).dropConnections();
    await settled(() =>
      expect(rings.map((ring) => ring.failure?.code)).toEqual(['ring-peer-lost', 'ring-peer-lost']),
    );
  });
});

describe('what goes over the network', () => {
  let relay: Server;
  const relayed = new Set<Socket>();
  afterEach(async () => {
    for (const socket of relayed) socket.destroy();
    await new Promise((resolve) => relay.close(resolve));
  });

  test('is nothing that was sent', async () => {
    const state = Buffer.from('the state of a replica, which nobody else is to see'.repeat(1_000));
    let seen = Buffer.alloc(0);
    relay = createServer((socket) => {
      const onward = connect(server.port, HOST);
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        from.on('data', (bytes: Buffer) => (seen = Buffer.concat([seen, bytes])));
        from.on('error', () => undefined);
        from.pipe(to);
        relayed.add(from);
      }
    });
    await new Promise<void>((resolve) => relay.listen(0, HOST, resolve));
    serveState(server, admissionOf(), { state, rows: Buffer.alloc(0) });
    const { port } = relay.address() as { port: number };
    const peer = { workerId: 'w0', host: HOST, port };
    const fetched = await fixture.fetch(server, { stateBytes: state.byteLength, peer, tls: ours, addressOf });
    expect(Buffer.compare(fetched.state, state)).toBe(0);
    expect(seen.byteLength).toBeGreaterThan(state.byteLength);
    for (const word of ['nobody else', 'GET /state', 'hello', 'rank'])
      expect(seen.includes(word), word).toBe(false);
  });
});
