import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PROTOCOL_VERSION } from '../../../proto/index.js';
import { encodeHandshake, proofOf, type Hello } from '../../../worker/ring/handshake.js';
import { REFUSAL_REASONS, type RefusalReason, type RingServer } from '../../../worker/ring/index.js';
import { collectGarbage } from '../../unit/hostile/garbage.js';
import { ManualClock } from '../../unit/ring/manual-clock.js';
import { admissionOf, Fixture, RUN, SECRET } from '../ring/ring-fixture.js';
import { connected, ended, FRAME, leaveWhenTold, maskedFrame, upgrade, visit } from './raw-peer.js';

const HANDSHAKE_MS = 5_000;
/** Visitors at once: fewer than may be pending. */
const AT_ONCE = 40;
const WAIT = { interval: 1, timeout: 10_000 };

let fixture: Fixture;
let clock: ManualClock;
let server: RingServer;
beforeEach(async () => {
  fixture = new Fixture();
  clock = new ManualClock();
  server = await fixture.listen({ clock, handshakeMs: HANDSHAKE_MS });
  server.admit(admissionOf({ ringEpoch: 2 }), () => undefined);
});
afterEach(() => fixture.close());

const HELLO: Hello = {
  kind: 'hello',
  protocol: PROTOCOL_VERSION,
  runId: RUN,
  ringEpoch: 2,
  fromRank: 1,
  toRank: 0,
  nonce: randomBytes(32).toString('hex'),
};
const said = (message: Parameters<typeof encodeHandshake>[0]): Buffer =>
  maskedFrame(FRAME.text, encodeHandshake(message));
const proofBy = (secret: string): Buffer => {
  const transcript = { purpose: 'ring', hello: HELLO, acceptorNonce: '00'.repeat(32) } as const;
  return said({ kind: 'proof', proof: proofOf(secret, 'dialler', transcript) });
};
const RING = upgrade('/ring');

interface Visitor {
  readonly what: string;
  readonly reason: RefusalReason;
  readonly bytes: readonly (string | Uint8Array)[];
  /** Whether it ends the connection by itself. */
  readonly hangsUp?: boolean;
}

const VISITORS: readonly Visitor[] = [
  { what: 'garbage', reason: 'malformed', bytes: ['garbage\r\n\r\n'] },
  { what: 'much garbage', reason: 'malformed', bytes: [Buffer.alloc(65_536, 0xa5)] },
  { what: 'a page', reason: 'malformed', bytes: ['GET /ring HTTP/1.1\r\nHost: x\r\n\r\n'] },
  {
    what: 'headers without end',
    reason: 'oversize',
    bytes: [`GET /ring HTTP/1.1\r\nX: ${'x'.repeat(65_536)}`],
  },
  { what: 'another path', reason: 'malformed', bytes: [upgrade('/__proto__')] },
  { what: 'no key', reason: 'malformed', bytes: [upgrade('/ring', '')] },
  { what: 'no JSON', reason: 'malformed', bytes: [RING, maskedFrame(FRAME.text, 'garbage')] },
  { what: 'a binary message', reason: 'malformed', bytes: [RING, maskedFrame(FRAME.binary, said(HELLO))] },
  { what: 'no mask', reason: 'malformed', bytes: [RING, Buffer.of(FRAME.text, 2, 0x7b, 0x7d)] },
  { what: 'reserved bits', reason: 'malformed', bytes: [RING, maskedFrame(FRAME.text | 0x70, '{}')] },
  {
    what: 'a message in a hundred fragments',
    reason: 'malformed',
    bytes: [
      RING,
      Buffer.concat(Array.from({ length: 100 }, (_, i) => maskedFrame(i === 0 ? FRAME.firstOfText : 0, 'x'))),
    ],
  },
  {
    what: 'a terabyte',
    reason: 'oversize',
    bytes: [RING, Buffer.from('81ff000000e8d4a5100000000000', 'hex')],
  },
  { what: 'a long message', reason: 'oversize', bytes: [RING, maskedFrame(FRAME.text, 'x'.repeat(60_000))] },
  { what: 'another run', reason: 'wrong-run', bytes: [RING, said({ ...HELLO, runId: 'another' })] },
  { what: 'an old ring epoch', reason: 'old-epoch', bytes: [RING, said({ ...HELLO, ringEpoch: 1 })] },
  { what: 'another rank', reason: 'wrong-rank', bytes: [RING, said({ ...HELLO, fromRank: 2 })] },
  { what: 'for another rank', reason: 'wrong-rank', bytes: [RING, said({ ...HELLO, toRank: 1 })] },
  { what: 'another secret', reason: 'bad-secret', bytes: [RING, said(HELLO), proofBy('cd'.repeat(32))] },
  { what: 'a handshake played again', reason: 'bad-secret', bytes: [RING, said(HELLO), proofBy(SECRET)] },
  {
    what: 'a hello that is cut',
    reason: 'incomplete',
    bytes: [RING, said(HELLO).subarray(0, 50)],
    hangsUp: true,
  },
  { what: 'a goodbye', reason: 'incomplete', bytes: [RING, maskedFrame(FRAME.close, '')] },
];

/** Everybody comes `times` times, some at once. */
async function comeAll(times: number): Promise<void> {
  const queue = Array.from({ length: times }, () => VISITORS).flat();
  const one = async (): Promise<void> => {
    for (let next = queue.pop(); next; next = queue.pop())
      await visit(server.port, next.bytes, next.hangsUp ?? false);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  await expectNobody();
}

const expectNobody = (): Promise<void> =>
  vi.waitFor(() => expect([server.pendingCount, server.connectionCount]).toEqual([0, 0]), WAIT);

function expectCounted(counts: Partial<Record<RefusalReason, number>>): void {
  for (const reason of REFUSAL_REASONS) expect(server.refusals.of(reason), reason).toBe(counts[reason] ?? 0);
}

async function expectServing(): Promise<void> {
  let admitted = 0;
  server.admit(admissionOf({ ringEpoch: 3 }), () => admitted++);
  await fixture.dial(server, (socket) => socket.terminate(), { ringEpoch: 3 });
  expect(admitted).toBe(1);
}

describe('a crowd that means no good', () => {
  test.each(VISITORS)('$what: $reason', async ({ reason, bytes, hangsUp = false }) => {
    await visit(server.port, bytes, hangsUp);
    await expectNobody();
    expectCounted({ [reason]: 1 });
    await expectServing();
  });

  test('takes no memory in two thousand visits, each counted', { timeout: 120_000 }, async () => {
    await comeAll(20);
    const before = collectGarbage();
    await comeAll(100);
    const grown = collectGarbage() - before;
    expect(grown).toBeLessThan(2 << 20);
    const counts: Partial<Record<RefusalReason, number>> = {};
    for (const { reason } of VISITORS) counts[reason] = (counts[reason] ?? 0) + 120;
    expectCounted(counts);
    expect(clock.timerCount).toBe(0);
    await expectServing();
  });

  test('drips, and has to leave at the deadline, however often it comes', async () => {
    const parts = [[], ['GET /ring HT'], [RING], [RING, said(HELLO).subarray(0, 20)], [RING, said(HELLO)]];
    const rounds = 10;
    for (let round = 1; round <= rounds; round++) {
      const sockets = await Promise.all(Array.from({ length: AT_ONCE }, () => connected(server.port)));
      const gone = sockets.map(ended);
      for (const [i, socket] of sockets.entries()) {
        leaveWhenTold(socket);
        for (const part of parts[i % parts.length] ?? []) socket.write(part);
      }
      await vi.waitFor(() => expect(server.pendingCount).toBe(AT_ONCE), WAIT);
      clock.advance(HANDSHAKE_MS);
      await Promise.all(gone);
      await expectNobody();
      expectCounted({ deadline: round * AT_ONCE });
    }
    expect(clock.timerCount).toBe(0);
    await expectServing();
  });

  test('asks for pongs without end and reads none', async () => {
    const before = collectGarbage();
    const socket = await connected(server.port);
    const gone = ended(socket);
    socket.pause().write(RING);
    const pings = Buffer.concat(Array.from({ length: 500 }, () => maskedFrame(FRAME.ping, 'x'.repeat(125))));
    const write = (): void => {
      // One that has gone takes everything.
      while (!socket.destroyed && socket.write(pings));
    };
    socket.on('drain', write);
    write();
    await gone;
    await expectNobody();
    expect(socket.bytesWritten).toBeLessThan(64 << 20);
    expect(collectGarbage() - before).toBeLessThan(4 << 20);
    expectCounted({ incomplete: 1 });
    await expectServing();
  });

  test('does not take its refusal, and is let go all the same', async () => {
    const visitors = await Promise.all(Array.from({ length: AT_ONCE }, () => connected(server.port)));
    for (const socket of visitors) {
      socket.pause().write(RING);
      socket.write(said({ ...HELLO, runId: 'another' }));
    }
    await vi.waitFor(() => expectCounted({ 'wrong-run': AT_ONCE }), WAIT);
    await expectNobody();
    for (const socket of visitors) socket.destroy();
    await expectServing();
  });
});
