import { Inbox } from '../../../worker/ring/inbox.js';
import type {
  IncomingLink,
  LinkEnd,
  LinkListener,
  LinkSegment,
  OutgoingLink,
} from '../../../worker/ring/link.js';

export interface MemoryLinkOptions {
  /** What the connection holds between the two ends: a segment is taken when the sum before it is below this. */
  readonly capacityBytes?: number;
  readonly readAheadBytes?: number;
  /** Runs a task later; the order among links is this function's choice. */
  readonly later?: (task: () => void) => void;
  /** Bytes before each received part in its buffer, so that alignments vary. */
  readonly skew?: () => number;
}

interface Sent extends LinkSegment {
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
  private readonly wire: LinkSegment[] = [];
  private readonly inbox: Inbox;
  private readonly listeners: { out?: LinkListener; in?: LinkListener } = {};
  private readonly ends: { out?: LinkEnd; in?: LinkEnd } = {};
  private readonly left = { out: false, in: false };
  private wireBytes = 0;
  private readonly later: (task: () => void) => void;
  private readonly capacityBytes: number;

  constructor(private readonly options: MemoryLinkOptions) {
    this.later = options.later ?? queueMicrotask;
    this.capacityBytes = options.capacityBytes ?? 1 << 20;
    this.inbox = new Inbox(options.readAheadBytes ?? 1 << 20);
    this.outgoing = {
      listen: (listener) => this.listen('out', listener),
      send: (header, payload, onTaken) => this.send({ header, payload, onTaken }),
      close: () => this.leave('out', 'the peer closed'),
      destroy: () => this.leave('out', 'the peer closed'),
    };
    this.incoming = {
      listen: (listener) => this.listen('in', listener),
      take: () => this.take(),
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

  private listen(side: 'out' | 'in', listener: LinkListener): void {
    this.listeners[side] = listener;
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

  private deliver(): void {
    if (this.ends.in || this.left.in || this.inbox.full) return;
    const segment = this.wire.shift();
    if (!segment) return;
    this.wireBytes -= segment.payload.byteLength;
    this.inbox.push(segment);
    this.later(() => this.transfer());
    this.later(() => this.deliver());
    this.listeners.in?.onSegment?.();
  }

  private take(): LinkSegment | undefined {
    const segment = this.inbox.take();
    this.later(() => this.deliver());
    return segment;
  }

  private leave(side: 'out' | 'in', detail: string): void {
    this.left[side] = true;
    if (side === 'in') this.inbox.clear();
    // What was sent before a goodbye arrives before it.
    this.later(() => {
      if (side === 'out' && this.wire.length > 0 && !this.left.in && !this.inbox.full) {
        this.deliver();
        return this.leave(side, detail);
      }
      this.finish(side === 'out' ? 'in' : 'out', { cause: 'lost', detail });
    });
  }

  private finish(side: 'out' | 'in', end: LinkEnd): void {
    if (this.ends[side] || this.left[side]) return;
    this.ends[side] = end;
    this.listeners[side]?.onEnd(end);
  }

  private copy(bytes: Uint8Array): Uint8Array {
    const skew = this.options.skew?.() ?? 0;
    const copy = new Uint8Array(new ArrayBuffer(skew + bytes.byteLength), skew);
    copy.set(bytes);
    return copy;
  }
}
