import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import type { OperationalError, RingMember } from '../../../proto/index.js';
import {
  REFUSAL_REASONS,
  serveState,
  type Admission,
  type FetchStateOptions,
  type HeldState,
  type RefusalReason,
  type RingServer,
  type ServeStateOptions,
} from '../../../worker/ring/index.js';
import { connectForState } from '../../../worker/ring/state-receiver.js';
import { STATE_CHUNK_BYTES } from '../../../worker/ring/state-sender.js';
import { ManualClock } from '../../unit/ring/manual-clock.js';
import { newRingTls } from './ring-certificates.js';
import { admissionOf, Fixture, HOST } from './ring-fixture.js';

let fixture: Fixture;
let server: RingServer;
/** Bytes of each transfer that was confirmed. */
let sent: number[];

beforeEach(async () => {
  fixture = new Fixture();
  server = await fixture.listen();
  sent = [];
});
afterEach(() => fixture.close());

function serve(
  held: HeldState,
  changes: Partial<Admission> = {},
  options: ServeStateOptions = {},
): () => void {
  // The last test's transfers may be confirmed only while this one runs.
  const confirmed = sent;
  return serveState(server, admissionOf(changes), held, {
    onSent: (bytes) => confirmed.push(bytes),
    ...options,
  });
}
const heldOf = (stateBytes: number, rowsBytes = 1_000): HeldState => ({
  state: randomBytes(stateBytes),
  rows: randomBytes(rowsBytes),
});
const errorOf = (promise: Promise<unknown>): Promise<OperationalError> =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: OperationalError) => error,
  );
const settled = <T>(check: () => T): Promise<T> => vi.waitFor(check, { interval: 1, timeout: 10_000 });
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** A receiver that has proved itself and reads nothing of the state. */
const dialAndStall = (): Promise<WebSocket> =>
  fixture.dial(server, (socket) => socket, {
    purpose: 'state',
    connect: () => connectForState({ host: HOST, port: server.port }),
  });

async function expectRefused(counts: Partial<Record<RefusalReason, number>>): Promise<void> {
  await settled(() => {
    for (const reason of REFUSAL_REASONS)
      expect(server.refusals.of(reason), reason).toBe(counts[reason] ?? 0);
  });
}
/** Nothing is left of any transfer. */
const expectFreed = (): Promise<void> =>
  settled(() => {
    expect([server.connectionCount, server.pendingCount]).toEqual([0, 0]);
  });

const overTcp = { addressOf: ({ host, port }: RingMember) => ({ host, port }) };
const tls = await newRingTls();
const WAYS: Record<string, Partial<FetchStateOptions>> = {
  'the nearest way': {},
  TCP: overTcp,
  TLS: { ...overTcp, tls },
};

describe.each(Object.entries(WAYS))('a state by %s', (_, way) => {
  beforeEach(async () => {
    if (way.tls !== undefined) server = await fixture.listen({ tls });
  });

  const sizes = [
    [1, 0],
    [3, 5],
    [STATE_CHUNK_BYTES - 1, 1],
    [STATE_CHUNK_BYTES, STATE_CHUNK_BYTES],
    [STATE_CHUNK_BYTES + 1, 4_095],
    [9_000_001, 300_007],
    [0, 0],
    [0, 7],
  ] as const;
  test.each(sizes)('of %i bytes with rows of %i arrives as it was', async (stateBytes, rowsBytes) => {
    const held = heldOf(stateBytes, rowsBytes);
    serve(held);
    const progress: [number, number][] = [];
    const fetched = await fixture.fetch(server, {
      stateBytes,
      onProgress: (...where) => progress.push(where),
      ...way,
    });
    expect(equal(fetched.state, held.state) && equal(fetched.rows, held.rows)).toBe(true);
    const total = stateBytes + rowsBytes;
    if (total > 0) expect(progress.at(-1)).toEqual([total, total]);
    expect(progress).toEqual([...progress].sort(([a], [b]) => a - b));
    await settled(() => expect(sent).toEqual([total]));
    await expectFreed();
    await expectRefused({});
  });

  test('in the memory of kernels, for several at once', async () => {
    const memory = new WebAssembly.Memory({ initial: 100 });
    const state = new Uint8Array(memory.buffer, 40, 6_000_000);
    for (let at = 0; at < state.byteLength; at += 60_000)
      crypto.getRandomValues(state.subarray(at, at + 60_000));
    const held = { state, rows: randomBytes(1_000) };
    const fromRanks = [1, 2, 3, 4, 5];
    serve(held, { fromRanks });
    const all = await Promise.all(
      fromRanks.map((fromRank) => fixture.fetch(server, { fromRank, stateBytes: state.byteLength, ...way })),
    );
    for (const fetched of all)
      expect(equal(fetched.state, state) && equal(fetched.rows, held.rows)).toBe(true);
    await settled(() => expect(sent).toEqual(fromRanks.map(() => 6_001_000)));
    await expectFreed();
  });

  test('takes its own memory, and little else', async () => {
    const held = heldOf(30_000_000);
    serve(held);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const onProgress = (): void => void (most = Math.max(most, process.memoryUsage().arrayBuffers - before));
    await fixture.fetch(server, { stateBytes: 30_000_000, onProgress, ...way });
    // Its own memory, and little else.
    expect(most).toBeLessThan(30_001_000 + (4 << 20));
  });
});

describe('who may fetch', () => {
  test('a receiver that comes early is held until there is a state', async () => {
    const fetching = fixture.fetch(server, { stateBytes: 10 });
    await settled(() => expect(server.pendingCount).toBe(1));
    const held = heldOf(10);
    serve(held);
    expect(equal((await fetching).state, held.state)).toBe(true);
    await expectRefused({});
  });

  const refused: [RefusalReason, object][] = [
    ['bad-secret', { secret: 'cd'.repeat(32) }],
    ['wrong-run', { runId: 'another' }],
    ['old-epoch', { ringEpoch: 0 }],
    ['wrong-rank', { fromRank: 2 }],
    ['wrong-rank', { toRank: 3 }],
  ];
  for (const [reason, options] of refused) {
    test(`${reason}: ${JSON.stringify(options)}`, async () => {
      serve(heldOf(10));
      const error = await errorOf(fixture.fetch(server, { stateBytes: 10, ...options }));
      expect(error.code).toBe('ring-refused');
      expect(error.message).toContain(`worker w0 (rank ${'toRank' in options ? 3 : 0}) at ${HOST}`);
      expect(error.message).toContain(`refused the connection: ${reason}`);
      await expectRefused({ [reason]: 1 });
      expect(sent).toEqual([]);
    });
  }

  test('everybody once in a ring epoch', async () => {
    serve(heldOf(10));
    await fixture.fetch(server, { stateBytes: 10 });
    const again = await errorOf(fixture.fetch(server, { stateBytes: 10 }));
    expect(again.message).toContain('duplicate');
    const next = heldOf(20);
    serve(next, { ringEpoch: 2 });
    const fetched = await fixture.fetch(server, { stateBytes: 20, ringEpoch: 2 });
    expect(equal(fetched.state, next.state)).toBe(true);
    expect(() => serve(next, { ringEpoch: 2 })).toThrow('ring epoch 2 is over');
  });

  test('the ring of the same ring epoch is another matter', async () => {
    server.admit(admissionOf({ ringEpoch: 7 }), () => undefined);
    serve(heldOf(10));
    await fixture.fetch(server, { stateBytes: 10 });
    const ring = await errorOf(fixture.dial(server, () => undefined, { purpose: 'ring', ringEpoch: 1 }));
    expect(ring.message).toContain('old-epoch');
  });

  test('nobody once it is withdrawn', async () => {
    serve(heldOf(10))();
    const error = await errorOf(fixture.fetch(server, { stateBytes: 10 }));
    expect(error.message).toContain('refused the connection: old-epoch');
  });
});

describe('a transfer that is given up', () => {
  const STATE_BYTES = 50_000_000;

  test('by its source: the receiver never gets what was not read', async () => {
    const held = heldOf(STATE_BYTES);
    const withdraw = serve(held, { fromRanks: [1, 2] });
    const onProgress = vi.fn(() => {
      withdraw();
      // The memory is the owner's again.
      held.state.fill(0);
    });
    const errors = await Promise.all([
      errorOf(fixture.fetch(server, { stateBytes: STATE_BYTES, onProgress })),
      errorOf(fixture.fetch(server, { stateBytes: STATE_BYTES, fromRank: 2 })),
    ]);
    expect(errors[0]?.code).toBe('ring-peer-lost');
    expect(errors[0]?.message).toMatch(/closed the connection \(\d+ of 50001000 bytes have come\)/);
    // The other may have been anywhere: not yet let in, or in the middle.
    expect(['ring-peer-lost', 'ring-refused']).toContain(errors[1]?.code);
    expect(sent).toEqual([]);
    await expectFreed();
  });

  test('by its receiver: the source lets go at once, and blames nobody', async () => {
    serve(heldOf(STATE_BYTES));
    const abort = new AbortController();
    const error = await errorOf(
      fixture.fetch(server, {
        stateBytes: STATE_BYTES,
        signal: abort.signal,
        onProgress: () => abort.abort(),
      }),
    );
    expect(error.code).toBe('aborted');
    await expectFreed();
    await expectRefused({});
    expect(sent).toEqual([]);
  });

  test('before it has begun', async () => {
    const abort = new AbortController();
    const early = errorOf(fixture.fetch(server, { stateBytes: 10, signal: abort.signal }));
    await settled(() => expect(server.pendingCount).toBe(1));
    abort.abort();
    expect((await early).code).toBe('aborted');
    expect((await errorOf(fixture.fetch(server, { stateBytes: 10, signal: abort.signal }))).code).toBe(
      'aborted',
    );
    await expectFreed();
  });

  test('a receiver that stalls is dropped and counted, and others go on', async () => {
    const clock = new ManualClock();
    const held = heldOf(STATE_BYTES);
    serve(held, { fromRanks: [1, 2] }, { clock, silenceMs: 800 });
    await dialAndStall();
    const fetched = await fixture.fetch(server, { stateBytes: STATE_BYTES, fromRank: 2 });
    expect(equal(fetched.state, held.state)).toBe(true);
    await settled(() => expect(server.connectionCount).toBe(1));
    // What it could take has been taken by now, or soon; then it owes a sign of life.
    await settled(() => {
      clock.advance(100);
      expect(server.refusals.of('deadline')).toBe(1);
    });
    await expectFreed();
    await expectRefused({ deadline: 1 });
    expect(clock.timerCount).toBe(0);
    expect(sent).toEqual([STATE_BYTES + 1_000]);
  });

  for (const [what, reason, speak] of [
    ['a message', 'malformed', (socket) => socket.send('hello')],
    ['a long message', 'oversize', (socket) => socket.send(randomBytes(5_000))],
    ['a ping', 'malformed', (socket) => socket.ping()],
  ] as const satisfies [string, RefusalReason, (socket: WebSocket) => void][]) {
    test(`a receiver that sends ${what} is dropped and counted`, async () => {
      serve(heldOf(STATE_BYTES));
      const socket = await dialAndStall();
      socket.on('error', () => undefined);
      speak(socket);
      await expectFreed();
      await expectRefused({ [reason]: 1 });
      expect(sent).toEqual([]);
    });
  }
});
