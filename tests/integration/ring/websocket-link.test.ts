import { afterEach, describe, expect, test, vi } from 'vitest';
import { FRAME_HEADER_BYTES } from '../../../worker/ring/frame.js';
import type { LinkEnd } from '../../../worker/ring/link.js';
import {
  READ_AHEAD_BYTES,
  WebSocketIncomingLink,
  WebSocketOutgoingLink,
  type PeerSocket,
} from '../../../worker/ring/websocket-link.js';
import { linkContract } from '../../unit/ring/link-contract.js';
import { admissionOf, Fixture } from './ring-fixture.js';

let fixture = new Fixture();
afterEach(async () => {
  await fixture.close();
  fixture = new Fixture();
});

/** Both sides of one connection whose handshake is done; `adopt` runs at once. */
async function connect<A, D>(
  accepting: (peer: PeerSocket) => A,
  dialling: (peer: PeerSocket) => D,
): Promise<{ outgoing: A; incoming: D }> {
  const server = await fixture.listen();
  const accepted = new Promise<A>((resolve) =>
    server.admit(admissionOf(), (peer) => resolve(accepting(peer))),
  );
  const incoming = await fixture.dial(server, dialling);
  return { outgoing: await accepted, incoming };
}

const connectLinks = () =>
  connect(
    (peer) => new WebSocketOutgoingLink(peer),
    (peer) => new WebSocketIncomingLink(peer),
  );

describe('link over WebSocket', () => {
  linkContract(connectLinks);

  test('reading stops when nobody takes, at the bound', async () => {
    const { outgoing, incoming } = await connectLinks();
    outgoing.listen({ onEnd: () => undefined });
    const payload = new Uint8Array(65_536);
    for (let i = 0; i < 200; i++) outgoing.send(new Uint8Array(FRAME_HEADER_BYTES), payload, () => undefined);
    await vi.waitFor(() => expect(incoming.paused).toBe(true), { interval: 1 });
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(incoming.paused).toBe(true);
    let kept = 0;
    // Taking resumes the socket, but reading needs a turn of the event loop, which this loop does not give.
    while (incoming.take()) kept++;
    expect(kept * payload.byteLength).toBeGreaterThan(READ_AHEAD_BYTES / 2);
    expect(kept * payload.byteLength).toBeLessThan(READ_AHEAD_BYTES + 2 * 65_536);
  });

  test('the payload is not copied by the sender and not masked', async () => {
    const { outgoing, incoming } = await connect(
      (peer) => ({ link: new WebSocketOutgoingLink(peer), peer }),
      (peer) => peer,
    );
    const written: unknown[] = [];
    const write = outgoing.peer.transport.write.bind(outgoing.peer.transport);
    vi.spyOn(outgoing.peer.transport, 'write').mockImplementation(((chunk: Uint8Array, ...rest: []) => {
      written.push(chunk);
      return write(chunk, ...rest);
    }) as typeof outgoing.peer.transport.write);
    const vector = new Int32Array(1_000).fill(7);
    const payload = new Uint8Array(vector.buffer, 400, 2_000);
    const message = new Promise((resolve) => incoming.socket.once('message', resolve));
    outgoing.link.send(new Uint8Array(FRAME_HEADER_BYTES), payload, () => undefined);
    await message;
    expect(
      written.some(
        (chunk) => chunk instanceof Uint8Array && chunk.buffer === vector.buffer && chunk.byteOffset === 400,
      ),
    ).toBe(true);
  });

  test('a message cut otherwise on its way is put together', async () => {
    const { outgoing, incoming } = await connect(
      (peer) => peer.socket,
      (peer) => new WebSocketIncomingLink(peer),
    );
    const message = Uint8Array.from({ length: FRAME_HEADER_BYTES + 8 }, (_, i) => i);
    outgoing.send(message);
    for (const [at, end] of [
      [0, 5],
      [5, 30],
      [30, message.length],
    ] as const)
      outgoing.send(message.subarray(at, end), { binary: true, fin: end === message.length });
    for (let i = 0; i < 2; i++) {
      const segment = await vi.waitFor(() => {
        const taken = incoming.take();
        expect(taken).toBeDefined();
        return taken;
      });
      expect([...(segment?.header ?? [])]).toEqual([...message.subarray(0, FRAME_HEADER_BYTES)]);
      expect([...(segment?.payload ?? [])]).toEqual([...message.subarray(FRAME_HEADER_BYTES)]);
    }
  });

  const hostile: [string, LinkEnd['cause'], (peer: PeerSocket) => void][] = [
    ['a text message', 'malformed', ({ socket }) => socket.send('hello')],
    [
      'a message without payload',
      'malformed',
      ({ socket }) => socket.send(new Uint8Array(FRAME_HEADER_BYTES)),
    ],
    ['an empty message', 'malformed', ({ socket }) => socket.send(new Uint8Array(0))],
    ['bytes that are no WebSocket frame', 'malformed', ({ transport }) => transport.write('garbage garbage')],
    [
      'an announced length of a terabyte',
      'oversize',
      ({ transport }) => transport.write(Buffer.from('827f000000e8d4a51000', 'hex')),
    ],
    [
      'a message of many small fragments',
      'malformed',
      ({ socket }) => {
        for (let i = 0; i < 5_000; i++) socket.send(new Uint8Array(1), { binary: true, fin: false });
      },
    ],
    [
      'a truncated frame, then the end',
      'lost',
      ({ transport }) => transport.end(Buffer.from('827f0000000000040018aabbcc', 'hex')),
    ],
  ];
  for (const [what, cause, send] of hostile) {
    test(`${what} ends the link`, async () => {
      const { outgoing, incoming } = await connect(
        (peer) => peer,
        (peer) => new WebSocketIncomingLink(peer),
      );
      outgoing.socket.on('error', () => undefined);
      const end = new Promise<LinkEnd>((resolve) => incoming.listen({ onEnd: resolve }));
      send(outgoing);
      expect((await end).cause).toBe(cause);
      expect(incoming.take()).toBeUndefined();
    });
  }

  test('data against the direction ends the link', async () => {
    const { outgoing, incoming } = await connect(
      (peer) => new WebSocketOutgoingLink(peer),
      (peer) => peer.socket,
    );
    incoming.on('error', () => undefined);
    const end = new Promise<LinkEnd>((resolve) => outgoing.listen({ onEnd: resolve }));
    incoming.send(new Uint8Array(100));
    expect((await end).cause).toBe('malformed');
  });
});
