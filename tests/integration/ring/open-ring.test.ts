import { createServer } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type OperationalError, type RingMember, UsageError } from '../../../proto/index.js';
import { RingError, RingServer } from '../../../worker/ring/index.js';
import { ManualClock } from '../../unit/ring/manual-clock.js';
import { at, randomVectors, sumOf } from '../../unit/ring/memory-ring.js';
import { newRingTls } from './ring-certificates.js';
import { admissionOf, Fixture, HOST, membersOf } from './ring-fixture.js';

let fixture = new Fixture();
afterEach(async () => {
  await fixture.close();
  fixture = new Fixture();
});

const errorOf = (promise: Promise<unknown>): Promise<OperationalError> =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: OperationalError) => error,
  );

/** How the members reach each other; the nearest way is a Unix socket where there are any. */
const overTcp = { addressOf: ({ host, port }: RingMember) => ({ host, port }) };
const certificates = await newRingTls();
const WAYS = {
  'the nearest way': { way: {}, tls: undefined },
  TCP: { way: overTcp, tls: undefined },
  TLS: { way: overTcp, tls: certificates },
  'the nearest way beside TLS': { way: {}, tls: certificates },
} as const;

describe.each(Object.entries(WAYS))('a ring over WebSocket by %s', (_, { way, tls }) => {
  for (let world = 1; world <= 5; world++) {
    test(`world ${world}: sums, several in a row, 2(N - 1)/N of the bytes`, async () => {
      const rings = await fixture.openWorld(world, way, tls);
      const lengths = [0, 1, world - 1, 1_000, 300_000];
      for (const [update, length] of lengths.entries()) {
        const vectors = randomVectors(world, length, update);
        const sum = sumOf(vectors);
        await Promise.all(
          rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update, attempt: 0 })),
        );
        for (const vector of vectors) expect(vector.every((value, i) => value === sum[i])).toBe(true);
      }
      const total = 4 * lengths.reduce((sum, length) => sum + length, 0);
      const share = (2 * (world - 1) * total) / world;
      for (const ring of rings) {
        expect(Math.abs(ring.bytesSent - share)).toBeLessThanOrEqual(8 * lengths.length);
        expect(Math.abs(ring.bytesReceived - share)).toBeLessThanOrEqual(8 * lengths.length);
      }
    });
  }

  test('vectors in WebAssembly memory, and a caller that writes to them as soon as it may', async () => {
    const rings = await fixture.openWorld(3, way, tls);
    await Promise.all(
      rings.map(async (ring, rank) => {
        const memory = new WebAssembly.Memory({ initial: 20 });
        const vector = new Int32Array(memory.buffer, 64, 250_000);
        for (let update = 0; update < 20; update++) {
          vector.fill(rank + update);
          await ring.allReduce(vector, { update, attempt: 0 });
          expect(vector.every((value) => value === 3 + 3 * update)).toBe(true);
        }
      }),
    );
  });

  test('a loop that stood still for longer than the deadline is no silence', async () => {
    const rings = await fixture.openWorld(2, { silenceMs: 40 });
    const vectors = randomVectors(2, 500_000, 1);
    const sum = sumOf(vectors);
    const reductions = rings.map((ring, rank) =>
      ring.allReduce(at(vectors, rank), { update: 0, attempt: 0 }),
    );
    await new Promise((resolve) => setImmediate(resolve));
    const endMs = performance.now() + 200;
    while (performance.now() < endMs);
    await Promise.all(reductions);
    expect(at(vectors, 0).every((value, i) => value === sum[i])).toBe(true);
  });

  test('segments that come in are told, and silence that is excused is none', async () => {
    const clock = new ManualClock();
    const told: string[] = [];
    let suspended = true;
    const rings = await fixture.openWorld(
      2,
      {
        ...{ clock, silenceMs: 800, ...way },
        onSegment: (phase, update) => told.push(`${phase} ${update}`),
        suspended: () => suspended,
      },
      tls,
    );
    await Promise.all(rings.map((ring) => ring.allReduce(new Int32Array(10), { update: 3, attempt: 0 })));
    expect(told.sort()).toEqual(['all-gather 3', 'all-gather 3', 'reduce-scatter 3', 'reduce-scatter 3']);
    const waiting = errorOf(at(rings, 0).allReduce(new Int32Array(10), { update: 4, attempt: 0 }));
    clock.advance(100_000);
    expect(at(rings, 0).failure).toBeUndefined();
    suspended = false;
    clock.advance(1_000);
    expect((await waiting).code).toBe('ring-deadline');
  });

  test('a neighbour that says goodbye between reductions is lost at once', async () => {
    const failures: RingError[] = [];
    const rings = await fixture.openWorld(2, { onFailure: (error) => failures.push(error) });
    at(rings, 0).close();
    await vi.waitFor(() => expect(at(rings, 1).failure?.code).toBe('ring-peer-lost'), { interval: 1 });
    expect(at(rings, 1).failure?.message).toMatch(
      /(predecessor|successor) worker w0 \(rank 0\): connection closed/,
    );
    expect(failures).toEqual([at(rings, 1).failure]);
  });

  test('an abort in the middle of a reduction', async () => {
    const rings = await fixture.openWorld(3);
    const abort = new AbortController();
    const reductions = [0, 1].map((rank) =>
      errorOf(
        at(rings, rank).allReduce(new Int32Array(3_000_000), { update: 0, attempt: 0, signal: abort.signal }),
      ),
    );
    await vi.waitFor(() =>
      expect(at(rings, 0).bytesReceived + at(rings, 1).bytesReceived).toBeGreaterThan(0),
    );
    abort.abort();
    expect((await Promise.all(reductions)).map(({ code }) => code)).toEqual(['aborted', 'aborted']);
    await vi.waitFor(() => expect(at(rings, 2).failure?.code).toBe('ring-peer-lost'), { interval: 1 });
  });

  test('a peer that sends garbage is counted and fails the ring', async () => {
    const server = await fixture.listen();
    const hostile = await fixture.listen();
    const members = membersOf([server, hostile]);
    hostile.admit(admissionOf({ toRank: 1, fromRanks: [0] }), ({ transport }) =>
      transport.write(Buffer.from('827f000000e8d4a51000', 'hex')),
    );
    const opening = fixture.open(server, 0, members);
    await fixture.dial(server, () => undefined);
    const outcome = await opening.then(
      (ring) => errorOf(ring.allReduce(new Int32Array(10), { update: 0, attempt: 0 })),
      (error: OperationalError) => error,
    );
    expect(outcome.code).toBe('protocol');
    expect(outcome.message).toContain('a message of 1000000000000 bytes or more');
    expect(server.refusals.of('oversize')).toBe(1);
  });

  test('ring epochs follow each other over the same servers', async () => {
    const servers = await Promise.all([fixture.listen(), fixture.listen()]);
    const members = membersOf(servers);
    for (let ringEpoch = 1; ringEpoch <= 5; ringEpoch++) {
      const rings = await Promise.all(
        servers.map((server, rank) => fixture.open(server, rank, members, { ringEpoch })),
      );
      const vectors = randomVectors(2, 1_000, ringEpoch);
      const sum = sumOf(vectors);
      await Promise.all(
        rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 0, attempt: 0 })),
      );
      expect(at(vectors, 0)).toEqual(sum);
      for (const ring of rings) ring.close();
    }
    for (const server of servers) {
      await vi.waitFor(() => expect(server.connectionCount).toBe(0), { interval: 1 });
      expect(server.pendingCount).toBe(0);
    }
  });
});

/** Who is to blame, by an error of opening or of the ring. */
function blamedBy(error: OperationalError): string {
  expect(error).toBeInstanceOf(RingError);
  return (error as RingError).neighbour ?? 'nobody';
}

describe('opening a ring', () => {
  test('a member that starts late is waited for', async () => {
    const servers = await Promise.all([fixture.listen(), fixture.listen(), fixture.listen()]);
    const members = membersOf(servers);
    const early = [0, 1].map((rank) => fixture.open(at(servers, rank), rank, members));
    // Rank 0 has dialled rank 2, which has not been told of the ring epoch yet.
    await vi.waitFor(() => expect(at(servers, 2).pendingCount).toBe(1), { interval: 1 });
    const rings = await Promise.all([...early, fixture.open(at(servers, 2), 2, members)]);
    const vectors = randomVectors(3, 100, 1);
    const sum = sumOf(vectors);
    await Promise.all(
      rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 0, attempt: 0 })),
    );
    expect(at(vectors, 2)).toEqual(sum);
  });

  test('a member that is still busy, for longer than it can hold a call, is waited for', async () => {
    const clock = new ManualClock();
    const handshakeMs = 5_000;
    const servers = await Promise.all([fixture.listen(), fixture.listen({ clock, handshakeMs })]);
    const members = membersOf(servers);
    const busy = at(servers, 1);
    const early = fixture.open(at(servers, 0), 0, members);
    const held = (): Promise<void> =>
      vi.waitFor(() => expect(busy.heldCount).toBe(1), { interval: 1, timeout: 10_000 });
    for (let calls = 1; calls <= 3; calls++) {
      await held();
      clock.advance(handshakeMs);
      expect(busy.refusals.of('too-early')).toBe(calls);
      await vi.waitFor(() => expect(busy.pendingCount).toBe(0), { interval: 1, timeout: 10_000 });
    }
    await held();
    const rings = await Promise.all([early, fixture.open(busy, 1, members)]);
    const vectors = randomVectors(2, 100, 1);
    const sum = sumOf(vectors);
    await Promise.all(
      rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 0, attempt: 0 })),
    );
    expect(at(vectors, 0)).toEqual(sum);
  });

  test('a predecessor that is not there fails it at once', async () => {
    const server = await fixture.listen();
    const gone = await fixture.listen();
    const members = membersOf([server, gone]);
    await gone.close();
    const error = await errorOf(fixture.open(server, 0, members));
    expect(error.code).toBe('ring-peer-lost');
    expect(error.message).toContain(`predecessor worker w1 (rank 1) at ${HOST}:${members[1]?.port}`);
    expect(blamedBy(error)).toBe('predecessor');
  });

  test('a neighbour with another secret is refused on both sides, and counted', async () => {
    const servers = await Promise.all([fixture.listen(), fixture.listen()]);
    const members = membersOf(servers);
    const opening = [
      errorOf(fixture.open(at(servers, 0), 0, members)),
      errorOf(fixture.open(at(servers, 1), 1, members, { secret: 'cd'.repeat(32) })),
    ];
    for (const error of await Promise.all(opening)) {
      expect(['ring-refused', 'ring-peer-lost']).toContain(error.code);
      expect(blamedBy(error)).toBe('predecessor');
    }
    expect(
      at(servers, 0).refusals.of('bad-secret') + at(servers, 1).refusals.of('bad-secret'),
    ).toBeGreaterThan(0);
  });

  test('a successor that does not call is given up after the deadline', async () => {
    const server = await fixture.listen();
    const silent = await fixture.listen();
    silent.admit(admissionOf({ toRank: 1, fromRanks: [0] }), () => undefined);
    const error = await errorOf(fixture.open(server, 0, membersOf([server, silent]), { openMs: 50 }));
    expect(error.code).toBe('ring-deadline');
    expect(error.message).toContain('successor worker w1 (rank 1): did not call within 50 ms');
    expect(blamedBy(error)).toBe('successor');
  });

  test('a predecessor that never answers is given up after the deadline', async () => {
    const server = await fixture.listen();
    const mute = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => mute.listen(0, HOST, resolve));
    const { port } = mute.address() as { port: number };
    const members = [...membersOf([server]), { workerId: 'w1', host: HOST, port }];
    for (const [ringEpoch, limit] of [{ openMs: 50 }, { connectMs: 50 }].entries()) {
      const options = { ringEpoch: ringEpoch + 1, ...limit, ...overTcp };
      const error = await errorOf(fixture.open(server, 0, members, options));
      expect(error.code).toBe('ring-deadline');
      expect(error.message).toContain('within 50 ms');
      if ('connectMs' in limit) expect(blamedBy(error)).toBe('predecessor');
    }
    await new Promise((resolve) => mute.close(resolve));
  });

  test('a link that ends while the other is being opened fails it at once', async () => {
    const server = await fixture.listen();
    const fickle = await fixture.listen();
    fickle.admit(admissionOf({ toRank: 1, fromRanks: [0] }), ({ socket }) => socket.terminate());
    const error = await errorOf(fixture.open(server, 0, membersOf([server, fickle])));
    expect(error.code).toBe('ring-peer-lost');
    expect(blamedBy(error)).toBe('predecessor');
    expect(error.message).toContain('connection closed');
  });

  test('an abort gives it up and leaves nothing open', async () => {
    const server = await fixture.listen();
    const other = await fixture.listen();
    const abort = new AbortController();
    const opening = errorOf(fixture.open(server, 0, membersOf([server, other]), { signal: abort.signal }));
    await vi.waitFor(() => expect(other.pendingCount).toBe(1), { interval: 1 });
    abort.abort();
    const error = await opening;
    expect(error.code).toBe('aborted');
    expect(blamedBy(error)).toBe('nobody');
    await vi.waitFor(() => expect(other.pendingCount).toBe(0), { interval: 1 });
    expect(other.refusals.of('incomplete')).toBe(1);
  });

  test('a ring epoch that is not newer is refused', async () => {
    const server = await fixture.listen();
    const members = membersOf([server]);
    await fixture.open(server, 0, members, { ringEpoch: 5 });
    for (const ringEpoch of [5, 4]) {
      const error = await errorOf(fixture.open(server, 0, members, { ringEpoch }));
      expect(error.code).toBe('ring-refused');
      expect(blamedBy(error)).toBe('nobody');
    }
    const late = await errorOf(fixture.dial(server, () => undefined, { ringEpoch: 4 }));
    expect(late.message).toContain('refused the connection: old-epoch');
    const two = [...members, ...members];
    const again = await errorOf(fixture.open(server, 0, two, { ringEpoch: 3 }));
    expect(again.code).toBe('ring-refused');
    expect(blamedBy(again)).toBe('nobody');
  });

  test('a member may be named instead of numbered', async () => {
    const servers = await Promise.all([fixture.listen(), fixture.listen()]);
    const members = membersOf(servers).map((member) => ({ ...member, host: 'localhost' }));
    const rings = await Promise.all(servers.map((server, rank) => fixture.open(server, rank, members)));
    const vectors = randomVectors(2, 100_000, 1);
    const sum = sumOf(vectors);
    await Promise.all(
      rings.map((ring, rank) => ring.allReduce(at(vectors, rank), { update: 0, attempt: 0 })),
    );
    expect(at(vectors, 1).every((value, i) => value === sum[i])).toBe(true);
  });

  test('a name that does not resolve, and one that cannot', async () => {
    const server = await fixture.listen();
    for (const [ringEpoch, host] of ['does-not-exist.invalid', 'not a host'].entries()) {
      const members = [...membersOf([server]), { workerId: 'w1', host, port: 1 }];
      const error = await errorOf(fixture.open(server, 0, members, { ringEpoch: ringEpoch + 1 }));
      expect(error.code).toBe('ring-peer-lost');
    }
  });
});

describe('the port', () => {
  test('a taken one is wrong use', async () => {
    const server = await fixture.listen();
    const error = await errorOf(RingServer.listen({ host: HOST, port: server.port }));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(`cannot listen on ${HOST}:${server.port} for the ring: it is taken`);
  });

  test('a host that is not this machine is wrong use', async () => {
    expect(await errorOf(RingServer.listen({ host: '192.0.2.1', port: 0 }))).toBeInstanceOf(UsageError);
  });
});
