import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import type { OperationalError, RingMember } from '../../../proto/index.js';
import type {
  FetchedState,
  FetchStateOptions,
  RefusalReason,
  RingServer,
} from '../../../worker/ring/index.js';
import { encodeStateHeader } from '../../../worker/ring/state-header.js';
import type { AcceptedPeer } from '../../../worker/ring/websocket-link.js';
import { ManualClock } from '../../unit/ring/manual-clock.js';
import { admissionOf, Fixture, HOST } from './ring-fixture.js';

const STATE_BYTES = 1_000;
const ROWS_BYTES = 100;
const MAX_ROWS_BYTES = 500;

let fixture: Fixture;
let server: RingServer;
beforeEach(async () => {
  fixture = new Fixture();
  server = await fixture.listen();
});
afterEach(() => fixture.close());

/** Fetches from a source that has proved itself and then does what a test wants. */
function fetchFrom(
  source: (peer: AcceptedPeer) => void,
  options: Partial<FetchStateOptions> = {},
): Promise<FetchedState> {
  server.admit(admissionOf({ purpose: 'state' }), (peer) => {
    peer.socket.on('error', () => undefined);
    source(peer);
  });
  return fixture.fetch(server, { stateBytes: STATE_BYTES, maxRowsBytes: MAX_ROWS_BYTES, ...options });
}
const errorOf = (promise: Promise<unknown>): Promise<OperationalError> =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: OperationalError) => error,
  );

const settled = <T>(check: () => T): Promise<T> => vi.waitFor(check, { interval: 1, timeout: 10_000 });

const header = (stateBytes = STATE_BYTES, rowsBytes = ROWS_BYTES): Uint8Array =>
  encodeStateHeader({ stateBytes, rowsBytes });
const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(7);

describe('a source that keeps to it in its own way', () => {
  test('chunks of other sizes, also across state and rows, and messages in fragments', async () => {
    const { state, rows } = await fetchFrom(({ socket }) => {
      socket.send(header().subarray(0, 7), { binary: true, fin: false });
      socket.send(header().subarray(7), { binary: true, fin: true });
      socket.send(bytes(1), { binary: true });
      socket.send(bytes(500), { binary: true, fin: false });
      socket.send(bytes(0), { binary: true, fin: true });
      socket.send(bytes(599), { binary: true });
    });
    expect([state.byteLength, rows.byteLength]).toEqual([STATE_BYTES, ROWS_BYTES]);
    expect(state.every((byte) => byte === 7) && rows.every((byte) => byte === 7)).toBe(true);
  });

  test('a source that is gone after the last byte has sent it all', async () => {
    const { state } = await fetchFrom(({ socket, transport }) => {
      socket.send(header());
      socket.send(bytes(STATE_BYTES + ROWS_BYTES), () => transport.destroy());
    });
    expect(state.byteLength).toBe(STATE_BYTES);
  });
});

describe('a source that does not answer the goodbye', () => {
  test('has sent it all, too, and is let go', async () => {
    const { state } = await fetchFrom(({ socket, transport }) => {
      socket.send(header());
      socket.send(bytes(STATE_BYTES + ROWS_BYTES));
      transport.pause();
    });
    expect(state.byteLength).toBe(STATE_BYTES);
  });
});

describe('a source that misbehaves fails the transfer and is counted', () => {
  const cases: [string, RefusalReason, string, (peer: AcceptedPeer) => void][] = [
    ['another magic', 'malformed', 'expected magic', ({ socket }) => socket.send(bytes(20))],
    [
      'a smaller state',
      'malformed',
      'expected a state of 1000 bytes',
      ({ socket }) => socket.send(header(999)),
    ],
    [
      'a larger state',
      'oversize',
      'expected a state of 1000 bytes, found 1000000000000',
      ({ socket }) => socket.send(header(1e12)),
    ],
    [
      'too many rows',
      'oversize',
      'expected rows of 500 bytes at most, found 501',
      ({ socket }) => socket.send(header(STATE_BYTES, 501)),
    ],
    [
      'a header that is too short',
      'malformed',
      'a header that is too short',
      ({ socket }) => socket.send(bytes(19)),
    ],
    [
      'a header that is too long',
      'malformed',
      'more than it announced',
      ({ socket }) => socket.send(Buffer.concat([header(), bytes(1)])),
    ],
    ['an empty message at first', 'malformed', 'an empty message', ({ socket }) => socket.send(bytes(0))],
    [
      'an empty message in between',
      'malformed',
      'an empty message',
      ({ socket }) => {
        socket.send(header());
        socket.send(bytes(0));
      },
    ],
    [
      'a byte too many',
      'malformed',
      'more than it announced',
      ({ socket }) => {
        socket.send(header());
        socket.send(bytes(STATE_BYTES));
        socket.send(bytes(ROWS_BYTES + 1));
      },
    ],
    [
      'a message too many',
      'malformed',
      'more than it announced',
      ({ socket, transport }) => {
        transport.cork();
        socket.send(header());
        socket.send(bytes(STATE_BYTES + ROWS_BYTES));
        socket.send(bytes(1));
        transport.uncork();
      },
    ],
    [
      'an empty message too many',
      'malformed',
      'an empty message',
      ({ socket, transport }) => {
        transport.cork();
        socket.send(header());
        socket.send(bytes(STATE_BYTES + ROWS_BYTES));
        socket.send(bytes(0));
        transport.uncork();
      },
    ],
    [
      'a byte too few, then a goodbye',
      'malformed',
      'a goodbye before the end',
      ({ socket }) => {
        socket.send(header());
        socket.send(bytes(STATE_BYTES + ROWS_BYTES - 1));
        socket.close(1000);
      },
    ],
    ['a goodbye at once', 'malformed', 'a goodbye before the end', ({ socket }) => socket.close()],
    [
      'a text message',
      'malformed',
      'a message that is no part of a state',
      ({ socket }) => {
        socket.send(header());
        socket.send('hello');
      },
    ],
    [
      'a long text message',
      'oversize',
      'Max payload size exceeded',
      ({ socket }) => socket.send('hello'.repeat(1_000)),
    ],
    ['a ping', 'malformed', 'a message that is no part of a state', ({ socket }) => socket.ping()],
    ['bytes that are no WebSocket frame', 'malformed', '', ({ transport }) => transport.write('garbage')],
    [
      'an announced message of a terabyte',
      'oversize',
      'a message of 1000000000000 bytes or more',
      ({ socket, transport }) => {
        socket.send(header());
        transport.write(Buffer.from('827f000000e8d4a51000', 'hex'));
      },
    ],
    [
      'a message larger than any chunk, in fragments',
      'oversize',
      'a message of 1048577 bytes or more',
      ({ socket }) => {
        socket.send(header());
        socket.send(bytes(500), { binary: true, fin: false });
        socket.send(bytes((1 << 20) - 499), { binary: true, fin: true });
      },
    ],
  ];
  for (const [what, reason, words, source] of cases) {
    test(what, async () => {
      const error = await errorOf(fetchFrom(source));
      expect(error.code).toBe('protocol');
      expect(error.message).toContain(
        `worker w0 (rank 0) at ${HOST}:${server.port}: sent what is no part of its state: `,
      );
      expect(error.message).toContain(words);
      expect(server.refusals.of(reason)).toBe(1);
      await settled(() => expect(server.connectionCount).toBe(0));
    });
  }
});

describe('a source that is lost', () => {
  const cases: [string, string, (peer: AcceptedPeer) => void][] = [
    ['before the header', 'nothing of it has come', ({ transport }) => transport.destroy()],
    [
      'in the middle of the header',
      'nothing of it has come',
      ({ transport }) => transport.end(Buffer.from('82144753', 'hex')),
    ],
    [
      'a byte before the end',
      '1099 of 1100 bytes have come',
      ({ socket, transport }) => {
        socket.send(header());
        socket.send(bytes(STATE_BYTES + ROWS_BYTES - 1), () => transport.destroySoon());
      },
    ],
    [
      'in the middle of a message',
      '2 of 1100 bytes have come',
      ({ socket, transport }) => {
        socket.send(header());
        transport.end(Buffer.from('827e044c0102', 'hex'));
      },
    ],
    [
      'before the end of a fragmented message with all bytes',
      '1100 of 1100 bytes have come',
      ({ socket, transport }) => {
        socket.send(header());
        socket.send(bytes(STATE_BYTES + ROWS_BYTES), { fin: false }, () => transport.destroySoon());
      },
    ],
  ];
  for (const [when, words, source] of cases) {
    test(when, async () => {
      const error = await errorOf(fetchFrom(source));
      expect(error.code).toBe('ring-peer-lost');
      expect(error.message).toContain(words);
      expect(server.refusals.of('malformed')).toBe(0);
    });
  }

  test('one that is not there', async () => {
    const peer = { workerId: 'w0', host: HOST, port: server.port };
    const elsewhere = await fixture.listen();
    await server.close();
    const error = await errorOf(fixture.fetch(elsewhere, { stateBytes: 1, peer }));
    expect(error.code).toBe('ring-peer-lost');
  });
});

describe('a source that takes its time', () => {
  const SILENCE_MS = 800;
  const DEADLINE_MS = 8_000;
  const times = (clock: ManualClock) => ({ clock, silenceMs: SILENCE_MS, deadlineMs: DEADLINE_MS });

  /** Fetches from a source that sends a byte whenever it is told to. */
  function fetchDrips() {
    const clock = new ManualClock();
    let source: WebSocket | undefined;
    let received = 0;
    const fetching = errorOf(
      fetchFrom(
        ({ socket }) => {
          source = socket;
          socket.send(header());
        },
        { ...times(clock), onProgress: (receivedBytes) => (received = receivedBytes) },
      ),
    );
    const drip = async (): Promise<void> => {
      const before = received;
      await settled(() => expect(source).toBeDefined());
      source?.send(bytes(1), { binary: true });
      await settled(() => expect(received).toBe(before + 1));
    };
    return { clock, fetching, drip };
  }

  test('silence fails it', async () => {
    const { clock, fetching, drip } = fetchDrips();
    await drip();
    for (let i = 0; i < 3; i++) {
      clock.advance(SILENCE_MS * 0.8);
      await drip();
    }
    clock.advance(SILENCE_MS * 1.2);
    const error = await fetching;
    expect(error.code).toBe('ring-deadline');
    expect(error.message).toContain('was silent for 800 ms (4 of 1100 bytes have come)');
    expect(clock.timerCount).toBe(0);
  });

  test('a drip that is never silent fails it in the end', async () => {
    const { clock, fetching, drip } = fetchDrips();
    await drip();
    for (let passedMs = 0; passedMs + SILENCE_MS / 2 < DEADLINE_MS; passedMs += SILENCE_MS / 2) {
      clock.advance(SILENCE_MS / 2);
      await drip();
    }
    clock.advance(SILENCE_MS / 2);
    const error = await fetching;
    expect(error.code).toBe('ring-deadline');
    expect(error.message).toContain('did not send its state within 8000 ms (20 of 1100 bytes have come)');
    expect(clock.timerCount).toBe(0);
  });

  test('one that has nothing to say yet is waited for as long as the whole may take', async () => {
    const clock = new ManualClock();
    const fetching = errorOf(fixture.fetch(server, { stateBytes: 1, ...times(clock) }));
    await settled(() => expect(server.heldCount).toBe(1));
    clock.advance(DEADLINE_MS - 1);
    expect(server.pendingCount).toBe(1);
    clock.advance(1);
    const error = await fetching;
    expect(error.code).toBe('ring-deadline');
    expect(error.message).toContain('did not finish its handshake within 8000 ms');
    expect(clock.timerCount).toBe(0);
  });
});

describe('connecting', () => {
  test('a source that accepts and says nothing', async () => {
    const mute = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => mute.listen(0, HOST, resolve));
    const { port } = mute.address() as { port: number };
    const addressOf = ({ host }: RingMember): { host: string; port: number } => ({ host, port });
    const error = await errorOf(fixture.fetch(server, { stateBytes: 1, silenceMs: 40, addressOf }));
    expect(error.code).toBe('ring-deadline');
    expect(error.message).toContain('did not answer within 40 ms');
    await new Promise((resolve) => mute.close(resolve));
  });
});
