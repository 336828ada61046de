import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { PROTOCOL_VERSION, type OperationalError } from '../../../proto/index.js';
import type { DialOptions } from '../../../worker/ring/dial.js';
import { encodeHandshake, proofOf, type Hello } from '../../../worker/ring/handshake.js';
import { REFUSAL_REASONS, type RefusalReason, type RingServer } from '../../../worker/ring/index.js';
import { REFUSED_CLOSE_CODE } from '../../../worker/ring/refusals.js';
import { ManualClock } from '../../unit/ring/manual-clock.js';
import { admissionOf, Fixture, HOST, RUN, SECRET } from './ring-fixture.js';

const PENDING_SOCKETS = 8;
const HANDSHAKE_MS = 5_000;

let fixture: Fixture;
let clock: ManualClock;
let server: RingServer;
let admitted: number;

beforeEach(async () => {
  fixture = new Fixture();
  clock = new ManualClock();
  server = await fixture.listen({ clock, pendingSockets: PENDING_SOCKETS, handshakeMs: HANDSHAKE_MS });
  admitted = 0;
});
afterEach(() => fixture.close());

const open = (changes = {}): (() => void) => server.admit(admissionOf(changes), () => admitted++);
const dial = (options = {}): Promise<OperationalError | undefined> =>
  fixture.dial(server, () => undefined, options).catch((error: OperationalError) => error);
const settled = <T>(check: () => T): Promise<T> => vi.waitFor(check, { interval: 1, timeout: 10_000 });

/** Waits until exactly these refusals were counted, and nobody was let in for them. */
async function expectRefused(counts: Partial<Record<RefusalReason, number>>): Promise<void> {
  await settled(() => {
    for (const reason of REFUSAL_REASONS)
      expect(server.refusals.of(reason), reason).toBe(counts[reason] ?? 0);
  });
}

function rawSocket(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, HOST, () => resolve(socket));
    socket.on('error', reject);
  });
}

/** A WebSocket that speaks whatever a test makes it say. */
function rawWebSocket(path = '/ring', port = server.port): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${HOST}:${port}${path}`, { perMessageDeflate: false });
    socket.on('error', reject);
    socket.on('open', () => resolve(socket));
  });
}
const closed = (socket: WebSocket): Promise<[number, string]> =>
  new Promise((resolve) => socket.on('close', (code, reason) => resolve([code, reason.toString()])));
const ended = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.on('close', resolve));
const nextMessage = (socket: WebSocket): Promise<string> =>
  new Promise((resolve) => socket.once('message', (data: RawData) => resolve((data as Buffer).toString())));

const HELLO: Hello = {
  kind: 'hello',
  protocol: PROTOCOL_VERSION,
  runId: RUN,
  ringEpoch: 1,
  fromRank: 1,
  toRank: 0,
  nonce: randomBytes(32).toString('hex'),
};

describe('who is refused', () => {
  const cases: [RefusalReason, object][] = [
    ['bad-secret', { secret: 'cd'.repeat(32) }],
    ['wrong-run', { runId: 'another' }],
    ['old-epoch', { ringEpoch: 0 }],
    ['wrong-rank', { fromRank: 2 }],
    ['wrong-rank', { toRank: 1 }],
  ];
  for (const [reason, options] of cases) {
    test(`${reason}: ${JSON.stringify(options)}`, async () => {
      open();
      const error = await dial(options);
      expect(error?.code).toBe('ring-refused');
      expect(error?.message).toContain(`refused the connection: ${reason}`);
      await expectRefused({ [reason]: 1 });
      expect(admitted).toBe(0);
      // Nobody else is the worse for it.
      expect(await dial()).toBeUndefined();
      expect(admitted).toBe(1);
    });
  }

  test('duplicate: the slot is taken', async () => {
    open();
    expect(await dial()).toBeUndefined();
    expect((await dial())?.message).toContain('duplicate');
    await expectRefused({ duplicate: 1 });
    expect(admitted).toBe(1);
  });

  test('duplicate: of two that shake hands at once one is let in', async () => {
    open();
    const outcomes = await Promise.all([dial(), dial()]);
    expect(outcomes.filter((error) => error === undefined).length).toBe(1);
    expect(admitted).toBe(1);
    await expectRefused({ duplicate: 1 });
  });

  test('bad-secret: a recorded handshake played again', async () => {
    const withdraw = open();
    const first = await rawWebSocket();
    const challenge = nextMessage(first);
    first.send(encodeHandshake(HELLO));
    const { nonce } = JSON.parse(await challenge) as { nonce: string };
    const proof = proofOf(SECRET, 'dialler', { purpose: 'ring', hello: HELLO, acceptorNonce: nonce });
    const recorded = [encodeHandshake(HELLO), encodeHandshake({ kind: 'proof', proof })] as const;
    const welcome = nextMessage(first);
    first.send(recorded[1]);
    expect(JSON.parse(await welcome)).toMatchObject({ kind: 'welcome' });
    expect(admitted).toBe(1);
    first.terminate();

    // The slot is free once more, as after a restart of the process: same run, ring epoch and secret.
    withdraw();
    const restarted = await fixture.listen();
    restarted.admit(admissionOf(), () => admitted++);
    const replay = await rawWebSocket('/ring', restarted.port);
    const end = closed(replay);
    const fresh = nextMessage(replay);
    replay.send(recorded[0]);
    expect(JSON.parse(await fresh)).toMatchObject({ kind: 'challenge' });
    replay.send(recorded[1]);
    expect(await end).toEqual([REFUSED_CLOSE_CODE, 'bad-secret']);
    expect(restarted.refusals.of('bad-secret')).toBe(1);
    expect(admitted).toBe(1);
  });

  test('bad-secret: the acceptor does not take its own proof for the dialler’s', async () => {
    open();
    const socket = await rawWebSocket();
    const end = closed(socket);
    const challenge = nextMessage(socket);
    socket.send(encodeHandshake(HELLO));
    const { nonce } = JSON.parse(await challenge) as { nonce: string };
    const transcript = { purpose: 'ring', hello: HELLO, acceptorNonce: nonce } as const;
    socket.send(encodeHandshake({ kind: 'proof', proof: proofOf(SECRET, 'acceptor', transcript) }));
    expect(await end).toEqual([REFUSED_CLOSE_CODE, 'bad-secret']);
    await expectRefused({ 'bad-secret': 1 });
  });

  test('old-epoch: the ring epoch changed between challenge and proof', async () => {
    open();
    const socket = await rawWebSocket();
    const end = closed(socket);
    const challenge = nextMessage(socket);
    socket.send(encodeHandshake(HELLO));
    const { nonce } = JSON.parse(await challenge) as { nonce: string };
    open({ ringEpoch: 2 });
    const transcript = { purpose: 'ring', hello: HELLO, acceptorNonce: nonce } as const;
    socket.send(encodeHandshake({ kind: 'proof', proof: proofOf(SECRET, 'dialler', transcript) }));
    expect(await end).toEqual([REFUSED_CLOSE_CODE, 'old-epoch']);
    await expectRefused({ 'old-epoch': 1 });
  });
});

describe('who speaks otherwise', () => {
  const malformed: [string, (socket: WebSocket) => void][] = [
    ['no JSON', (socket) => socket.send('garbage')],
    ['a binary message', (socket) => socket.send(randomBytes(100))],
    ['another message', (socket) => socket.send(encodeHandshake({ kind: 'proof', proof: '00'.repeat(32) }))],
    ['another version', (socket) => socket.send(JSON.stringify({ ...HELLO, protocol: 99 }))],
    [
      'two hellos',
      (socket) => {
        socket.send(encodeHandshake(HELLO));
        socket.send(encodeHandshake(HELLO));
      },
    ],
    [
      'a message in a thousand fragments',
      (socket) => {
        for (let i = 0; i < 1_000; i++) socket.send('x', { fin: false });
      },
    ],
  ];
  for (const [what, speak] of malformed) {
    test(`malformed: ${what}`, async () => {
      open();
      const socket = await rawWebSocket();
      socket.on('error', () => undefined);
      const end = closed(socket);
      speak(socket);
      await end;
      await expectRefused({ malformed: 1 });
      expect(admitted).toBe(0);
    });
  }

  const rawBytes: [RefusalReason, string, string | Buffer][] = [
    ['malformed', 'no HTTP', 'garbage\r\n\r\n'],
    ['malformed', 'a plain HTTP request', `GET /ring HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['malformed', 'a TLS client hello', Buffer.from('16030100c8010000c40303', 'hex')],
    [
      'malformed',
      'an upgrade without a key',
      'GET /ring HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    [
      'malformed',
      'another path',
      `GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n\r\n`,
    ],
    ['oversize', 'headers without end', `GET /ring HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`],
  ];
  for (const [reason, what, bytes] of rawBytes) {
    test(`${reason}: ${what}`, async () => {
      open();
      const socket = await rawSocket();
      socket.on('error', () => undefined);
      const end = ended(socket);
      socket.on('data', () => undefined);
      socket.write(bytes);
      await end;
      await expectRefused({ [reason]: 1 });
      expect(server.pendingCount).toBe(0);
    });
  }

  test('oversize: a message announced as a gigabyte is refused before any of it comes', async () => {
    open();
    const socket = await rawWebSocket();
    socket.on('error', () => undefined);
    const end = closed(socket);
    const { _socket: transport } = socket as unknown as { _socket: Socket };
    transport.write(Buffer.from('81ff00000000400000000000000041', 'hex'));
    await end;
    await expectRefused({ oversize: 1 });
  });

  test('incomplete: gone in mid-sentence', async () => {
    open();
    const socket = await rawSocket();
    socket.end('GET /ring HTTP/1.1\r\nHos');
    await ended(socket);
    await settled(() => expect(server.pendingCount).toBe(0));
    expect(server.refusals.of('incomplete') + server.refusals.of('malformed')).toBe(1);
  });

  test('who connects, says nothing and goes is not counted', async () => {
    const socket = await rawSocket();
    await settled(() => expect(server.pendingCount).toBe(1));
    socket.destroy();
    await settled(() => expect(server.pendingCount).toBe(0));
    await expectRefused({});
  });
});

describe('who takes too long or comes in crowds', () => {
  test('deadline: a slow drip, at every stage', async () => {
    open();
    const drips = await Promise.all([
      rawSocket(),
      rawSocket(),
      rawWebSocket(),
      rawWebSocket(),
      rawWebSocket(),
    ]);
    const [silent, slow, mute, halfway, early] = drips;
    slow.write('GET /ring HTTP/1.1\r\n');
    const { _socket: transport } = mute as unknown as { _socket: Socket };
    transport.write(Buffer.from('8185', 'hex')); // a frame begins
    halfway.send(encodeHandshake(HELLO)); // and never proves anything
    early.send(encodeHandshake({ ...HELLO, ringEpoch: 2 })); // held, but not for ever
    await settled(() => expect(server.pendingCount).toBe(5));
    await nextMessage(halfway);

    clock.advance(HANDSHAKE_MS - 1);
    expect(server.refusals.of('deadline')).toBe(0);
    slow.write('Host: x\r\n'); // a byte now and then buys no time
    clock.advance(1);
    await Promise.all([ended(silent), ended(slow), closed(mute), closed(halfway), closed(early)]);
    await expectRefused({ deadline: 4, 'too-early': 1 });
    await settled(() => expect(server.pendingCount).toBe(0));
    expect(clock.timerCount).toBe(0);
  });

  test('a peer that was let in has no deadline any more', async () => {
    open();
    expect(await dial()).toBeUndefined();
    expect(clock.timerCount).toBe(0);
    expect(server.pendingCount).toBe(0);
  });

  test('too-many: a crowd of silent sockets is bounded, and gone after its deadline', async () => {
    open();
    const crowd = await Promise.all(Array.from({ length: PENDING_SOCKETS }, rawSocket));
    await settled(() => expect(server.pendingCount).toBe(PENDING_SOCKETS));
    const more = await Promise.all(Array.from({ length: 5 }, rawSocket));
    for (const socket of more) socket.on('error', () => undefined);
    await settled(() => expect(server.refusals.of('too-many')).toBe(5));
    expect(server.pendingCount).toBe(PENDING_SOCKETS);
    expect((await dial())?.code).toBe('ring-peer-lost');

    const gone = crowd.map(ended);
    clock.advance(HANDSHAKE_MS);
    await Promise.all(gone);
    await settled(() => expect(server.pendingCount).toBe(0));
    expect(await dial()).toBeUndefined();
  });

  test('peers that came early are let in when their ring epoch opens, others refused', async () => {
    const [early, tooEarly, wrongRun] = [
      dial({ ringEpoch: 3 }),
      dial({ ringEpoch: 4 }),
      dial({ ringEpoch: 3, runId: 'another' }),
    ];
    await settled(() => expect(server.pendingCount).toBe(3));
    open({ ringEpoch: 3 });
    expect(await early).toBeUndefined();
    expect((await wrongRun)?.message).toContain('wrong-run');
    await settled(() => expect(server.pendingCount).toBe(1));
    open({ ringEpoch: 5 });
    expect((await tooEarly)?.message).toContain('old-epoch');
    await expectRefused({ 'wrong-run': 1, 'old-epoch': 1 });
    expect(admitted).toBe(1);
  });
});

describe('a peer that came too early and was held as long as may be', () => {
  const DEADLINE_MS = 60_000;
  let dialClock: ManualClock;

  /** Dials, and is let go once; it comes again when its own clock says so. */
  async function dialTooEarly(options: Partial<DialOptions> = {}): Promise<{
    readonly outcome: Promise<OperationalError | undefined>;
    readonly letGo: () => Promise<void>;
  }> {
    dialClock = new ManualClock();
    const outcome = dial({ clock: dialClock, deadlineMs: DEADLINE_MS, connectMs: 2_000, ...options });
    const letGo = async (): Promise<void> => {
      await settled(() => expect(server.heldCount).toBe(1));
      const before = server.refusals.of('too-early');
      clock.advance(HANDSHAKE_MS);
      expect(server.refusals.of('too-early')).toBe(before + 1);
      // It knows, and has two timers: the deadline for the whole, and the next call.
      await settled(() => expect([server.pendingCount, dialClock.timerCount]).toEqual([0, 2]));
    };
    await letGo();
    return { outcome, letGo };
  }

  test('comes again until its ring epoch begins', async () => {
    const { outcome, letGo } = await dialTooEarly();
    for (let i = 0; i < 3; i++) {
      dialClock.advance(100);
      await letGo();
    }
    dialClock.advance(100);
    await settled(() => expect(server.heldCount).toBe(1));
    open();
    expect(await outcome).toBeUndefined();
    expect(admitted).toBe(1);
    expect(dialClock.timerCount).toBe(0);
    await expectRefused({ 'too-early': 4 });
  });

  test('is let in when its ring epoch began while it was away', async () => {
    const { outcome } = await dialTooEarly();
    open();
    dialClock.advance(100);
    expect(await outcome).toBeUndefined();
    expect(admitted).toBe(1);
  });

  test('has one deadline for the whole', async () => {
    const { outcome } = await dialTooEarly({ deadlineMs: 250 });
    dialClock.advance(100);
    await settled(() => expect(server.heldCount).toBe(1));
    dialClock.advance(149);
    expect(server.heldCount).toBe(1);
    dialClock.advance(1);
    const error = await outcome;
    expect(error?.code).toBe('ring-deadline');
    expect(error?.message).toContain('did not finish its handshake within 250 ms');
    expect(dialClock.timerCount).toBe(0);
  });

  test('may give up while it is away', async () => {
    const abort = new AbortController();
    const { outcome } = await dialTooEarly({ signal: abort.signal });
    abort.abort();
    expect((await outcome)?.code).toBe('aborted');
    expect(dialClock.timerCount).toBe(0);
  });

  test('finds out that the worker is gone', async () => {
    const { outcome } = await dialTooEarly();
    await server.close();
    dialClock.advance(100);
    expect((await outcome)?.code).toBe('ring-peer-lost');
    expect(dialClock.timerCount).toBe(0);
  });
});

describe('the dialling side', () => {
  test('gives up a connection that does not open, before the whole deadline', async () => {
    const mute = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => mute.listen(0, HOST, resolve));
    const { port } = mute.address() as { port: number };
    const dialClock = new ManualClock();
    const outcome = dial({ port, clock: dialClock, connectMs: 2_000, deadlineMs: 60_000 });
    dialClock.advance(1_999);
    expect(dialClock.timerCount).toBe(2);
    dialClock.advance(251);
    const error = await outcome;
    expect(error?.code).toBe('ring-deadline');
    expect(error?.message).toContain('did not answer within 2000 ms');
    expect(dialClock.timerCount).toBe(0);
    await new Promise((resolve) => mute.close(resolve));
  });

  test('waits for a peer that has taken the connection as long as the whole may take', async () => {
    const dialClock = new ManualClock();
    const outcome = dial({ clock: dialClock, connectMs: 2_000, deadlineMs: 60_000 });
    await settled(() => expect(server.heldCount).toBe(1));
    dialClock.advance(59_999);
    open();
    expect(await outcome).toBeUndefined();
  });

  test('does not come again to an acceptor that challenged it and then says that it is too early', async () => {
    const impostor = new WebSocketServer({ host: HOST, port: 0 });
    await once(impostor, 'listening');
    impostor.on('connection', (socket) => {
      socket.send(encodeHandshake({ kind: 'challenge', nonce: '00'.repeat(32) }));
      socket.on('message', () => socket.close(REFUSED_CLOSE_CODE, 'too-early'));
    });
    const { port } = impostor.address() as { port: number };
    expect((await dial({ port }))?.message).toContain('refused the connection: too-early');
    impostor.close();
  });

  const impostors: [string, OperationalError['code'], RefusalReason, string[]][] = [
    [
      'does not know the secret',
      'ring-refused',
      'bad-secret',
      [
        encodeHandshake({ kind: 'challenge', nonce: '00'.repeat(32) }),
        encodeHandshake({ kind: 'welcome', proof: '00'.repeat(32) }),
      ],
    ],
    ['sent what is no part of the handshake', 'protocol', 'malformed', ['garbage']],
    [
      'sent what is no part of the handshake',
      'protocol',
      'malformed',
      [encodeHandshake({ kind: 'welcome', proof: '00'.repeat(32) })],
    ],
  ];
  for (const [what, code, reason, answers] of impostors) {
    test(`turns away an acceptor that ${what}, after ${answers.length} messages`, async () => {
      const impostor = new WebSocketServer({ host: HOST, port: 0 });
      await once(impostor, 'listening');
      impostor.on('connection', (socket) => {
        let next = 0;
        socket.on('message', () => socket.send(answers[next++] ?? ''));
      });
      const { port } = impostor.address() as { port: number };
      const error = await dial({ port });
      expect(error?.code).toBe(code);
      expect(error?.message).toContain(what);
      await expectRefused({ [reason]: 1 });
      for (const socket of impostor.clients) socket.terminate();
      impostor.close();
    });
  }
});
