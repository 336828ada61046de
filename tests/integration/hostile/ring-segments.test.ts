import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ErrorCode, OperationalError } from '../../../proto/index.js';
import { encodeHeader, type FrameHeader } from '../../../worker/ring/frame.js';
import { REFUSAL_REASONS, type RefusalReason, type RingServer } from '../../../worker/ring/index.js';
import { ManualClock } from '../../unit/ring/manual-clock.js';
import { Fixture, membersOf } from '../ring/ring-fixture.js';
import { HostileNeighbour, type Line } from './hostile-neighbour.js';

const UPDATE = 5;
/** Elements; half of them are a chunk, and a segment. */
const LENGTH = 2_000;
const SILENCE_MS = 800;
const WAIT = { interval: 1, timeout: 10_000 };

/** What rank 0 of two waits for first. */
const DUE: FrameHeader = {
  ...{ phase: 'reduce-scatter', update: UPDATE, attempt: 0, step: 0 },
  ...{ offset: LENGTH / 2, count: LENGTH / 2, length: LENGTH },
};
const PAYLOAD = new Uint8Array((4 * LENGTH) / 2).fill(1);
/** What it waits for next. */
const NEXT: FrameHeader = { ...DUE, phase: 'all-gather', step: 1, offset: 0 };

let fixture: Fixture;
let server: RingServer;
beforeEach(async () => {
  fixture = new Fixture();
  server = await fixture.listen();
});
afterEach(() => fixture.close());

const reduce = (neighbour: HostileNeighbour): Promise<OperationalError | undefined> =>
  neighbour.ring
    .allReduce(new Int32Array(LENGTH), { update: UPDATE, attempt: 0 })
    .then(() => undefined)
    .catch((error: OperationalError) => error);

const segment = (header: FrameHeader, payload = PAYLOAD): Buffer =>
  Buffer.concat([encodeHeader(header), payload]);
const send = ({ socket }: Line, header: FrameHeader, payload = PAYLOAD): void =>
  socket.send(segment(header, payload));
const write = ({ transport }: Line, hex: string): void => void transport.write(Buffer.from(hex, 'hex'));

async function expectCounted(counts: Partial<Record<RefusalReason, number>>): Promise<void> {
  await vi.waitFor(() => {
    for (const reason of REFUSAL_REASONS)
      expect(server.refusals.of(reason), reason).toBe(counts[reason] ?? 0);
  }, WAIT);
}

/** The server takes a good neighbour as if nothing had been, in a ring epoch of its own. */
async function expectServing(): Promise<void> {
  await vi.waitFor(() => expect([server.pendingCount, server.connectionCount]).toEqual([0, 0]), {
    interval: 1,
  });
  const servers = [server, await fixture.listen()];
  const members = membersOf(servers);
  const rings = await Promise.all(
    servers.map((each, rank) => fixture.open(each, rank, members, { ringEpoch: 2 })),
  );
  const vectors = [1, 2].map((value) => new Int32Array(LENGTH).fill(value));
  await Promise.all(
    rings.map((ring, rank) => ring.allReduce(vectors[rank] ?? new Int32Array(0), { update: 0, attempt: 0 })),
  );
  for (const vector of vectors) expect(vector.every((value) => value === 3)).toBe(true);
}

test('the neighbour is believed as long as it says what is due', async () => {
  const neighbour = await HostileNeighbour.join(fixture, server);
  const outcome = reduce(neighbour);
  send(neighbour.predecessor, DUE);
  send(neighbour.predecessor, NEXT);
  expect(await outcome).toBeUndefined();
  await expectCounted({});
});

/** What came, by whose doing it is refused, and how the ring fails. */
type Misdeed = [
  what: string,
  reason: RefusalReason | undefined,
  code: ErrorCode,
  (neighbour: HostileNeighbour) => void,
];

const wrongFields: Misdeed[] = (
  [
    { update: UPDATE + 1 },
    { attempt: 1 },
    { phase: 'all-gather' },
    { step: 1 },
    { offset: 0 },
    { offset: LENGTH },
    { offset: 0xffff_ffff },
    { count: 1 },
    { count: LENGTH },
    { count: 0xffff_ffff },
    { length: LENGTH + 1 },
  ] satisfies Partial<FrameHeader>[]
).map((change) => [
  `a segment with ${JSON.stringify(change)}`,
  'malformed',
  'protocol',
  ({ predecessor }) => send(predecessor, { ...DUE, ...change }),
]);

const fromPredecessor: Misdeed[] = [
  ...wrongFields,
  [
    'a segment of an older version',
    'malformed',
    'protocol',
    ({ predecessor }) => predecessor.socket.send(segment(DUE).fill(0, 2, 3)),
  ],
  [
    'the same segment twice',
    'malformed',
    'protocol',
    ({ predecessor }) => {
      send(predecessor, DUE);
      send(predecessor, DUE);
    },
  ],
  [
    'a segment that is longer than announced',
    'malformed',
    'protocol',
    ({ predecessor }) => send(predecessor, DUE, new Uint8Array(PAYLOAD.length + 1)),
  ],
  [
    'a segment that is shorter than announced',
    'malformed',
    'protocol',
    ({ predecessor }) => send(predecessor, DUE, PAYLOAD.subarray(0, -1)),
  ],
  [
    'a segment that ends in its header',
    'malformed',
    'protocol',
    ({ predecessor }) => predecessor.socket.send(encodeHeader(DUE).subarray(0, 10)),
  ],
  [
    'a masked frame',
    'malformed',
    'protocol',
    ({ predecessor }) => write(predecessor, '82840000000000000000'),
  ],
  ['reserved bits', 'malformed', 'protocol', ({ predecessor }) => write(predecessor, 'c204aabbccdd')],
  ['a text', 'malformed', 'protocol', ({ predecessor }) => predecessor.socket.send('hello')],
  ['garbage', 'malformed', 'protocol', ({ predecessor }) => write(predecessor, 'ff'.repeat(500))],
  [
    'a segment announced as 8 EiB',
    'oversize',
    'protocol',
    ({ predecessor }) => write(predecessor, '827f7fffffffffffffff'),
  ],
  [
    'fragments that are more than a segment together',
    'oversize',
    'protocol',
    ({ predecessor: { transport } }) => {
      transport.write(Buffer.concat([Buffer.from('027e0fb8', 'hex'), segment(DUE)]));
      transport.write(Buffer.from('007f0000000000100000', 'hex')); // a megabyte more
    },
  ],
  [
    'half a segment, and then nobody',
    undefined,
    'ring-peer-lost',
    ({ predecessor }) => {
      const half = Buffer.concat([Buffer.from('827e0fb8', 'hex'), segment(DUE).subarray(0, 1_000)]);
      predecessor.transport.end(half);
    },
  ],
];

const fromSuccessor: Misdeed[] = [
  [
    'a segment against the direction',
    'malformed',
    'protocol',
    ({ successor }) => send(successor, DUE, PAYLOAD.subarray(0, 40)),
  ],
  ['a text', 'malformed', 'protocol', ({ successor }) => successor.socket.send('hello')],
  ['a frame without a mask', 'malformed', 'protocol', ({ successor }) => write(successor, '8204aabbccdd')],
  ['garbage', 'malformed', 'protocol', ({ successor }) => write(successor, 'ff'.repeat(500))],
  ['a long message', 'oversize', 'protocol', ({ successor }) => successor.socket.send('x'.repeat(100_000))],
  [
    'a message announced as a terabyte',
    'oversize',
    'protocol',
    ({ successor }) => write(successor, '81ff000000e8d4a5100000000000'),
  ],
  ['nothing any more', undefined, 'ring-peer-lost', ({ successor }) => successor.socket.terminate()],
];

describe.each([
  ['predecessor', fromPredecessor],
  ['successor', fromSuccessor],
] as const)('a %s that has introduced itself sends', (role, misdeeds) => {
  test.each(misdeeds)('%s: counted as %s', async (_, reason, code, misbehave) => {
    const neighbour = await HostileNeighbour.join(fixture, server);
    const outcome = reduce(neighbour);
    misbehave(neighbour);
    const error = await outcome;
    expect(error?.code).toBe(code);
    expect(error?.message).toContain(`${role} worker w1 (rank 1)`);
    expect(neighbour.ring.failure).toBe(error);
    await expectCounted(reason === undefined ? {} : { [reason]: 1 });
    await expectServing();
  });
});

describe('a neighbour that keeps the connection and nothing else', () => {
  const drips: [string, (line: Line, tick: number) => void][] = [
    ['says nothing', () => undefined],
    [
      'drips a segment, byte by byte',
      ({ transport }, tick) => {
        const bytes = Buffer.concat([Buffer.from('827e0fb8', 'hex'), segment(DUE)]);
        transport.write(bytes.subarray(tick, tick + 1));
      },
    ],
    ['drips pings', ({ socket }) => socket.ping()],
    [
      'drips empty fragments',
      ({ transport }, tick) => transport.write(Buffer.of(tick === 0 ? 0x02 : 0x00, 0)),
    ],
  ];
  test.each(drips)('%s: the deadline comes', async (_, drip) => {
    const clock = new ManualClock();
    const neighbour = await HostileNeighbour.join(fixture, server, { clock, silenceMs: SILENCE_MS });
    const outcome = reduce(neighbour);
    await turns();
    let ticks = 0;
    while (neighbour.ring.failure === undefined && ticks < 20) {
      drip(neighbour.predecessor, ticks++);
      await turns();
      clock.advance(SILENCE_MS / 8);
    }
    const error = await outcome;
    expect(error?.code).toBe('ring-deadline');
    expect(error?.message).toContain(`predecessor worker w1 (rank 1) was silent for ${SILENCE_MS} ms`);
    expect(ticks).toBe(8);
    await expectServing();
  });

  test('takes nothing: the deadline comes', async () => {
    const clock = new ManualClock();
    const neighbour = await HostileNeighbour.join(fixture, server, { clock, silenceMs: SILENCE_MS });
    neighbour.successor.transport.pause();
    // More than all buffers between the two take.
    const vector = new Int32Array(8 << 20);
    const outcome = neighbour.ring
      .allReduce(vector, { update: UPDATE, attempt: 0 })
      .catch((error: OperationalError) => error);
    // Bounded is what is handed over, too, however long the vector is.
    expect(neighbour.ring.progress().inFlightBytes).toBeLessThanOrEqual(5 << 20);
    while (neighbour.ring.failure === undefined) {
      await turns();
      clock.advance(SILENCE_MS / 8);
    }
    const error = await outcome;
    expect(error).toMatchObject({ code: 'ring-deadline' });
    expect((error as OperationalError).message).toContain('successor worker w1 (rank 1) was silent');
    await expectServing();
  });
});

/** The event loop has looked at its sockets: what was written on this machine is read. */
async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
