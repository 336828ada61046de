import { afterEach, describe, expect, test, vi } from 'vitest';
import { FRAME_HEADER_BYTES } from '../../../worker/ring/frame.js';
import type { LinkEnd, SegmentReader } from '../../../worker/ring/link.js';
import { WebSocketOutgoingLink, type AcceptedPeer } from '../../../worker/ring/websocket-link.js';
import { plainAdder } from '../../../worker/ring/index.js';
import { linkContract } from '../../unit/ring/link-contract.js';
import { newRingTls } from './ring-certificates.js';
import { admissionOf, Fixture } from './ring-fixture.js';

let fixture = new Fixture();
afterEach(async () => {
  await fixture.close();
  fixture = new Fixture();
});

const connectLinks = () => fixture.link((peer) => new WebSocketOutgoingLink(peer));
const tls = await newRingTls();
const connectSecureLinks = () => fixture.link((peer) => new WebSocketOutgoingLink(peer), plainAdder(), tls);
/** Waits until a count has not changed for a while. */
async function settledCount(count: () => number): Promise<void> {
  for (let before = -1; before !== count();) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Wants every segment, of `elements` elements, into the same memory. */
function sinkOf(elements: number, kind: 'add' | 'copy', filled: () => void): SegmentReader {
  const into = new Int32Array(elements);
  return {
    onSegment: () => ({ kind, into }),
    onFilled: filled,
    onEnd: () => undefined,
  };
}

describe('link over WebSocket with TLS', () => {
  linkContract(connectSecureLinks);

  test('a link that nobody reads stops its sender', async () => {
    const { outgoing, incoming } = await connectSecureLinks();
    outgoing.listen({ onEnd: () => undefined });
    const payload = new Uint8Array(65_536);
    let taken = 0;
    for (let i = 0; i < 300; i++) outgoing.send(new Uint8Array(FRAME_HEADER_BYTES), payload, () => taken++);
    await vi.waitFor(() => expect(incoming.stopped).toBe(true), { interval: 1, timeout: 10_000 });
    await settledCount(() => taken);
    expect(taken).toBeLessThan(300);
    let filled = 0;
    incoming.listen(sinkOf(16_384, 'copy', () => filled++));
    incoming.resume();
    await vi.waitFor(() => expect(filled).toBe(300), { interval: 1, timeout: 10_000 });
  });
});

describe('link over WebSocket', () => {
  linkContract(connectLinks);

  test('a link that nobody reads keeps one read, no more', async () => {
    const { outgoing, incoming } = await connectLinks();
    outgoing.listen({ onEnd: () => undefined });
    const payload = new Uint8Array(65_536);
    for (let i = 0; i < 200; i++) outgoing.send(new Uint8Array(FRAME_HEADER_BYTES), payload, () => undefined);
    await vi.waitFor(() => expect(incoming.stopped).toBe(true), { interval: 1 });
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200; i++) await turn();
    expect(incoming.stopped).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });

  test('segments take no memory on their way', async () => {
    for (const kind of ['add', 'copy'] as const) {
      const { outgoing, incoming } = await connectLinks();
      outgoing.listen({ onEnd: () => undefined });
      const payload = new Uint8Array(262_144);
      let filled = 0;
      incoming.listen(sinkOf(65_536, kind, () => filled++));
      const send = async (count: number): Promise<void> => {
        const until = filled + count;
        for (let i = 0; i < count; i++)
          outgoing.send(new Uint8Array(FRAME_HEADER_BYTES), payload, () => undefined);
        await vi.waitFor(() => expect(filled).toBe(until), { interval: 1 });
      };
      await send(10);
      const before = process.memoryUsage().arrayBuffers;
      await send(100); // 26 MB
      // Garbage counts here until it is collected: there is hardly any.
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 << 20);
      incoming.destroy();
      outgoing.destroy();
    }
  });

  test('the payload is not copied by the sender and not masked', async () => {
    const { outgoing, incoming } = await fixture.link((peer) => ({
      link: new WebSocketOutgoingLink(peer),
      peer,
    }));
    const written: unknown[] = [];
    const write = outgoing.peer.transport.write.bind(outgoing.peer.transport);
    vi.spyOn(outgoing.peer.transport, 'write').mockImplementation(((chunk: Uint8Array, ...rest: []) => {
      written.push(chunk);
      return write(chunk, ...rest);
    }) as typeof outgoing.peer.transport.write);
    const vector = new Int32Array(1_000).fill(7);
    const payload = new Uint8Array(vector.buffer, 400, 2_000);
    await new Promise<void>((resolve) => {
      incoming.listen(sinkOf(500, 'copy', resolve));
      outgoing.link.send(new Uint8Array(FRAME_HEADER_BYTES), payload, () => undefined);
    });
    expect(
      written.some(
        (chunk) => chunk instanceof Uint8Array && chunk.buffer === vector.buffer && chunk.byteOffset === 400,
      ),
    ).toBe(true);
  });

  test('a message cut otherwise on its way, or whole, is understood', async () => {
    const { outgoing, incoming } = await fixture.link(({ socket }) => socket);
    const message = Uint8Array.from({ length: FRAME_HEADER_BYTES + 8 }, (_, i) => i);
    const headers: number[][] = [];
    const into = new Int32Array(2);
    const payloads: number[][] = [];
    incoming.listen({
      onSegment: (header) => {
        headers.push([...header]);
        return { kind: 'copy', into };
      },
      onFilled: () => payloads.push([...new Uint8Array(into.buffer)]),
      onEnd: () => undefined,
    });
    outgoing.send(message);
    for (const [at, end] of [
      [0, 5],
      [5, 30],
      [30, message.length],
    ] as const)
      outgoing.send(message.subarray(at, end), { binary: true, fin: end === message.length });
    await vi.waitFor(() => expect(payloads.length).toBe(2), { interval: 1 });
    for (const header of headers) expect(header).toEqual([...message.subarray(0, FRAME_HEADER_BYTES)]);
    for (const bytes of payloads) expect(bytes).toEqual([...message.subarray(FRAME_HEADER_BYTES)]);
  });

  test('a ping is answered, also between the fragments of a segment', async () => {
    const { outgoing, incoming } = await fixture.link(({ socket }) => socket);
    let filled = 0;
    incoming.listen(sinkOf(2, 'copy', () => filled++));
    const pong = new Promise((resolve) => outgoing.once('pong', resolve));
    outgoing.send(new Uint8Array(FRAME_HEADER_BYTES), { binary: true, fin: false });
    outgoing.ping('are you there');
    outgoing.send(new Uint8Array(8), { binary: true, fin: true });
    expect(String(await pong)).toBe('are you there');
    await vi.waitFor(() => expect(filled).toBe(1), { interval: 1 });
  });

  const header = new Uint8Array(FRAME_HEADER_BYTES);
  const hostile: [string, LinkEnd['cause'], (peer: AcceptedPeer) => void][] = [
    ['a text message', 'malformed', ({ socket }) => socket.send('hello')],
    ['a long text message', 'oversize', ({ socket }) => socket.send('hello'.repeat(1_000))],
    ['a message without payload', 'malformed', ({ socket }) => socket.send(header)],
    ['an empty message', 'malformed', ({ socket }) => socket.send(new Uint8Array(0))],
    [
      'a segment that is too short',
      'malformed',
      ({ socket }) => socket.send(new Uint8Array(FRAME_HEADER_BYTES + 4)),
    ],
    [
      'a segment that is too long',
      'malformed',
      ({ socket }) => socket.send(new Uint8Array(FRAME_HEADER_BYTES + 12)),
    ],
    ['bytes that are no WebSocket frame', 'malformed', ({ transport }) => transport.write('garbage garbage')],
    ['an unknown kind of frame', 'malformed', ({ transport }) => transport.write(Buffer.of(0x87, 0))],
    [
      'an announced length of a terabyte',
      'oversize',
      ({ transport }) => transport.write(Buffer.from('827f000000e8d4a51000', 'hex')),
    ],
    [
      'a truncated frame, then the end',
      'lost',
      ({ transport }) => transport.end(Buffer.from('827f0000000000000020aabbcc', 'hex')),
    ],
  ];
  for (const [what, cause, send] of hostile) {
    test(`${what} ends the link`, async () => {
      const { outgoing, incoming } = await fixture.link((peer) => peer);
      outgoing.socket.on('error', () => undefined);
      let filled = 0;
      const end = new Promise<LinkEnd>((resolve) =>
        incoming.listen({ ...sinkOf(2, 'copy', () => filled++), onEnd: resolve }),
      );
      send(outgoing);
      expect((await end).cause).toBe(cause);
      expect(filled).toBe(0);
    });
  }

  test('data against the direction ends the link', async () => {
    const server = await fixture.listen();
    const accepted = new Promise<WebSocketOutgoingLink>((resolve) =>
      server.admit(admissionOf(), (peer) => resolve(new WebSocketOutgoingLink(peer))),
    );
    const socket = await fixture.dial(server, (dialled) => dialled);
    socket.on('error', () => undefined);
    const outgoing = await accepted;
    const end = new Promise<LinkEnd>((resolve) => outgoing.listen({ onEnd: resolve }));
    socket.send(new Uint8Array(100));
    expect((await end).cause).toBe('malformed');
  });
});
