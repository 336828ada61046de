import { plainAdder, type Adder } from '../../../worker/ring/adder.js';
import type {
  IncomingLink,
  LinkEnd,
  LinkListener,
  OutgoingLink,
  SegmentReader,
  SegmentTarget,
} from '../../../worker/ring/link.js';
import { PayloadFiller, SCRATCH_HEAD_BYTES } from '../../../worker/ring/payload-filler.js';

export interface MemoryLinkOptions {
  /** What the connection holds between the two ends: a segment is taken when the sum before it is below this. */
  readonly capacityBytes?: number;
  /** Runs a task later; the order among links is this function's choice. */
  readonly later?: (task: () => void) => void;
  /** Any number below its argument: cuts payloads into pieces, at any alignment. */
  readonly random?: (bound: number) => number;
  readonly adder?: Adder;
}

interface Segment {
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}
interface Sent extends Segment {
  readonly onTaken: () => void;
}

/**
 * Both ends of a link without a network. Like a socket it reads a segment's memory only when it takes it, which may be
 * long after `send`: whoever overwrites it before sees wrong sums.
 */
export function memoryLink(options: MemoryLinkOptions = {}): MemoryLink {
  return new MemoryLink(options);
}

export class MemoryLink {
  readonly outgoing: OutgoingLink;
  readonly incoming: IncomingLink;
  /** Most bytes that were sent and not taken at any time. */
  peakUntakenBytes = 0;
  /** Segments sent by the outgoing end. */
  sentSegments = 0;
  private readonly sent: Sent[] = [];
  private readonly wire: Segment[] = [];
  private readonly listeners: { out?: LinkListener; in?: LinkListener | SegmentReader } = {};
  private readonly adder: Adder;
  private readonly filler: PayloadFiller;
  private readonly ends: { out?: LinkEnd; in?: LinkEnd } = {};
  private readonly left = { out: false, in: false };
  private wireBytes = 0;
  private readonly later: (task: () => void) => void;
  private readonly capacityBytes: number;

  constructor(private readonly options: MemoryLinkOptions) {
    this.later = options.later ?? queueMicrotask;
    this.capacityBytes = options.capacityBytes ?? 1 << 20;
    this.adder = options.adder ?? plainAdder();
    this.filler = new PayloadFiller(this.adder);
    this.outgoing = {
      listen: (listener) => this.listen('out', listener),
      send: (header, payload, onTaken) => this.send({ header, payload, onTaken }),
      close: () => this.leave('out', 'the peer closed'),
      destroy: () => this.leave('out', 'the peer closed'),
    };
    this.incoming = {
      listen: (listener) => this.listen('in', listener),
      resume: () => this.later(() => this.deliver()),
      close: () => this.leave('in', 'the peer closed'),
      destroy: () => this.leave('in', 'the peer closed'),
    };
  }

  /** The connection fails under both ends. */
  break(end: LinkEnd = { cause: 'lost', detail: 'the connection broke' }): void {
    this.finish('out', end);
    this.finish('in', end);
  }

  /** Puts a segment into the incoming end as if the peer had sent it. */
  inject(header: Uint8Array, payload: Uint8Array): void {
    this.send({ header, payload, onTaken: () => undefined });
  }

  private listen(side: 'out' | 'in', listener: LinkListener | SegmentReader): void {
    this.listeners[side] = listener;
    if (side === 'in') this.later(() => this.deliver());
    const end = this.ends[side];
    if (end)
      queueMicrotask(() => this.listeners[side] === listener && !this.left[side] && listener.onEnd(end));
  }

  private send(segment: Sent): void {
    if (this.ends.out || this.left.out) return;
    this.sent.push(segment);
    this.sentSegments++;
    this.peakUntakenBytes = Math.max(
      this.peakUntakenBytes,
      this.sent.reduce((sum, { payload }) => sum + payload.byteLength, 0),
    );
    this.later(() => this.transfer());
  }

  /** The connection takes what it has room for. */
  private transfer(): void {
    if (this.ends.out || this.left.out || this.wireBytes >= this.capacityBytes) return;
    const segment = this.sent.shift();
    if (!segment) return;
    this.wire.push({ header: this.copy(segment.header), payload: this.copy(segment.payload) });
    this.wireBytes += segment.payload.byteLength;
    this.later(() => this.deliver());
    this.later(() => {
      if (!this.ends.out && !this.left.out) segment.onTaken();
      this.transfer();
    });
  }

  /** The oldest segment that has arrived goes to the reader, if it wants it. */
  private deliver(): void {
    const segment = this.wire[0];
    const reader = this.listeners.in;
    if (!segment || this.ends.in || this.left.in || !reader || !('onSegment' in reader)) return;
    const target = reader.onSegment(segment.header);
    if (!target) return;
    this.wire.shift();
    this.wireBytes -= segment.payload.byteLength;
    this.later(() => this.transfer());
    this.later(() => this.deliver());
    if (segment.payload.byteLength !== target.into.byteLength)
      return this.finish('in', { cause: 'malformed', detail: 'another length than the header says' });
    this.fill(target, segment.payload);
    reader.onFilled();
  }

  private fill(target: SegmentTarget, payload: Uint8Array): void {
    const { filler, adder } = this;
    const random = this.options.random ?? ((bound) => bound - 1);
    filler.start(target);
    for (let at = 0; at < payload.byteLength;) {
      const piece = payload.subarray(at, at + 1 + random(2 * payload.byteLength));
      const room = filler.room();
      at += piece.byteLength;
      if (room && random(2) === 0) {
        room.set(piece);
        filler.placed(piece.byteLength);
      } else if (piece.byteLength <= adder.scratch.byteLength - 8 && random(2) === 0) {
        // As a connection does that reads into the adder's memory.
        const start = random(2) === 0 ? filler.scratchStart : SCRATCH_HEAD_BYTES + random(4);
        adder.scratch.set(piece, start);
        filler.take(adder.scratch.subarray(start, start + piece.byteLength));
      } else {
        filler.take(piece);
      }
    }
  }

  private leave(side: 'out' | 'in', detail: string): void {
    this.left[side] = true;
    // What was sent before a goodbye arrives before it.
    this.later(() => {
      const before = this.wire.length;
      if (side === 'out') this.deliver();
      if (this.wire.length < before) return this.leave(side, detail);
      this.finish(side === 'out' ? 'in' : 'out', { cause: 'lost', detail });
    });
  }

  private finish(side: 'out' | 'in', end: LinkEnd): void {
    if (this.ends[side] || this.left[side]) return;
    this.ends[side] = end;
    this.listeners[side]?.onEnd(end);
  }

  private copy(bytes: Uint8Array): Uint8Array {
    const skew = this.options.random?.(4) ?? 0;
    const copy = new Uint8Array(new ArrayBuffer(skew + bytes.byteLength), skew);
    copy.set(bytes);
    return copy;
  }
}
