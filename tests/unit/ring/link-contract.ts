import { expect, onTestFinished, test, vi } from 'vitest';
import { FRAME_HEADER_BYTES } from '../../../worker/ring/frame.js';
import type { IncomingLink, LinkEnd, OutgoingLink, SegmentReader } from '../../../worker/ring/link.js';
import { seededRandom } from './random.js';

export interface LinkEnds {
  readonly outgoing: OutgoingLink;
  readonly incoming: IncomingLink;
}

const noEnd = (end: LinkEnd): never => {
  throw new Error(`the link ended: ${end.detail}`);
};

/** A segment of noise whose header tells the size of the payload in its first four bytes. */
function segmentOf(seed: number, payloadBytes: number): { header: Uint8Array; payload: Uint8Array } {
  const random = seededRandom(seed + 1);
  const header = Uint8Array.from({ length: FRAME_HEADER_BYTES }, () => random(256));
  new DataView(header.buffer).setUint32(0, payloadBytes, true);
  return { header, payload: Uint8Array.from({ length: payloadBytes }, () => random(256)) };
}

interface Received {
  readonly header: Buffer;
  readonly payload: Buffer;
}

/** Collects what arrives: copies it, or adds it to zeros, in turn. */
function collector(received: Received[], wanted: () => boolean = () => true): SegmentReader {
  let header = Buffer.alloc(0);
  let into = new Int32Array(0);
  return {
    onEnd: noEnd,
    onSegment: (bytes) => {
      if (!wanted()) return undefined;
      header = Buffer.from(bytes);
      into = new Int32Array(header.readUInt32LE(0) / 4);
      return { kind: received.length % 2 === 0 ? 'copy' : 'add', into };
    },
    onFilled: () => received.push({ header, payload: Buffer.from(into.buffer) }),
  };
}

/** What every implementation of a link must do; `connect` makes a fresh one. */
export function linkContract(connectEnds: () => Promise<LinkEnds>): void {
  const connect = async (): Promise<LinkEnds> => {
    const ends = await connectEnds();
    // What is closed here, tells its listeners nothing more.
    onTestFinished(() => {
      ends.outgoing.destroy();
      ends.incoming.destroy();
    });
    return ends;
  };

  test('segments arrive whole and in order, whatever their size', async () => {
    const { outgoing, incoming } = await connect();
    const sizes = [
      4, 65_536, 8, 262_144, 12, 100_000, 4, 262_144, 1_000, 1_000, 65_500, 65_532, 65_540, 65_544,
    ];
    const segments = sizes.map((size, index) => segmentOf(index, size));
    outgoing.listen({ onEnd: noEnd });
    let taken = 0;
    for (const { header, payload } of segments) outgoing.send(header, payload, () => taken++);
    const received: Received[] = [];
    incoming.listen(collector(received));
    await vi.waitFor(() => expect(received.length).toBe(segments.length), { interval: 1 });
    for (const [index, segment] of segments.entries()) {
      expect(received[index]?.header.equals(segment.header)).toBe(true);
      expect(received[index]?.payload.equals(segment.payload)).toBe(true);
    }
    await vi.waitFor(() => expect(taken).toBe(segments.length), { interval: 1 });
  });

  test('memory of a segment may be used again once it was taken', async () => {
    const { outgoing, incoming } = await connect();
    outgoing.listen({ onEnd: noEnd });
    const shared = segmentOf(0, 262_144);
    const received: Received[] = [];
    incoming.listen(collector(received));
    for (let round = 0; round < 20; round++) {
      shared.payload.fill(round);
      await new Promise<void>((resolve) => outgoing.send(shared.header, shared.payload, resolve));
    }
    shared.payload.fill(255);
    await vi.waitFor(() => expect(received.length).toBe(20), { interval: 1 });
    expect(received.map(({ payload }) => [...new Set(payload)])).toEqual(
      Array.from({ length: 20 }, (_, round) => [round]),
    );
  });

  test('segments that came before anybody listened are kept', async () => {
    const { outgoing, incoming } = await connect();
    outgoing.listen({ onEnd: noEnd });
    const { header, payload } = segmentOf(7, 1_000);
    await new Promise<void>((resolve) => outgoing.send(header, payload, resolve));
    const received: Received[] = [];
    incoming.listen(collector(received));
    incoming.resume();
    await vi.waitFor(() => expect(received.length).toBe(1), { interval: 1 });
    expect(received[0]?.payload.equals(payload)).toBe(true);
  });

  test('a reader that wants nothing stops the sender, and loses nothing', async () => {
    const { outgoing, incoming } = await connect();
    outgoing.listen({ onEnd: noEnd });
    let wanted = false;
    const received: Received[] = [];
    incoming.listen(collector(received, () => wanted));
    const segments = 600; // 157 MB: more than any socket holds
    const { header, payload } = segmentOf(3, 262_144);
    let taken = 0;
    for (let i = 0; i < segments; i++) outgoing.send(header, payload, () => taken++);
    // Stopped means that nothing moves although the event loop goes round and round.
    for (let still = 0, before = -1; still < 200; still = taken === before ? still + 1 : 0) {
      before = taken;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken).toBeLessThan(segments);
    expect(received).toEqual([]);

    wanted = true;
    incoming.resume();
    await vi.waitFor(() => expect(received.length).toBe(segments), { interval: 1, timeout: 10_000 });
    await vi.waitFor(() => expect(taken).toBe(segments), { interval: 1 });
    expect(received.every((segment) => segment.payload.equals(payload))).toBe(true);
  });

  test('a reader may want segments one at a time', async () => {
    const { outgoing, incoming } = await connect();
    outgoing.listen({ onEnd: noEnd });
    const segments = Array.from({ length: 30 }, (_, index) => segmentOf(index, 4 * (1 + index * 700)));
    for (const { header, payload } of segments) outgoing.send(header, payload, () => undefined);
    const received: Received[] = [];
    let wanted = 0;
    incoming.listen(collector(received, () => received.length < wanted));
    for (const segment of segments) {
      wanted++;
      incoming.resume();
      await vi.waitFor(() => expect(received.length).toBe(wanted), { interval: 1 });
      expect(received.at(-1)?.payload.equals(segment.payload)).toBe(true);
    }
  });

  for (const side of ['outgoing', 'incoming'] as const) {
    for (const how of ['close', 'destroy'] as const) {
      test(`${how} at the ${side} end is told to the other end, once`, async () => {
        const ends = await connect();
        const other = side === 'outgoing' ? ends.incoming : ends.outgoing;
        const told: LinkEnd[] = [];
        const own: LinkEnd[] = [];
        other.listen({ onEnd: (end) => told.push(end) });
        ends[side].listen({ onEnd: (end) => own.push(end) });
        ends[side][how]();
        await vi.waitFor(() => expect(told.length).toBe(1), { interval: 1 });
        expect(told[0]?.cause).toBe('lost');
        other.destroy();
        await new Promise((resolve) => setImmediate(resolve));
        expect(told.length).toBe(1);
        expect(own).toEqual([]);
      });
    }
  }

  test('an end that came before anybody listened is told', async () => {
    const { outgoing, incoming } = await connect();
    let early = false;
    incoming.listen({ onEnd: () => (early = true) });
    outgoing.destroy();
    await vi.waitFor(() => expect(early).toBe(true), { interval: 1 });
    const late = await new Promise<LinkEnd>((resolve) => incoming.listen({ onEnd: resolve }));
    expect(late.cause).toBe('lost');
  });
}
