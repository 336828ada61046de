import type { LinkEnd } from './link.js';

/** Who gets what. */
export interface SplitterTarget {
  /** Bytes for the WebSocket implementation: everything but binary messages. To be copied before returning. */
  passOn(bytes: Uint8Array): void;
  /**
   * Next bytes of the binary message that is arriving.
   * @returns how many were taken; when fewer than given, splitting stops there
   */
  takeData(bytes: Uint8Array): number;
  /** The binary message is over. */
  endMessage(): void;
}

/** What the bytes that come next are. */
type State =
  /** The answer to the HTTP upgrade, up to an empty line. */
  | { readonly kind: 'http'; matched: number }
  /** A frame's own header. */
  | { readonly kind: 'frame' }
  | { readonly kind: 'data'; left: number; readonly last: boolean }
  | { readonly kind: 'pass'; left: number };

const END_OF_HTTP = [13, 10, 13, 10] as const;
const MAX_FRAME_HEADER_BYTES = 10;
const OPCODE = { continuation: 0, binary: 2 } as const;

/**
 * Takes binary messages out of what a WebSocket server sends, without copying them, and passes all else on to a
 * WebSocket implementation: the HTTP answer, text, pings, the closing handshake, and what breaks the protocol.
 *
 * A general implementation puts every message together in memory of its own. For segments, which can be added or copied
 * into the vector piece by piece as they arrive, that memory was the most expensive part of a reduction: not the copying, but
 * the garbage collections that it caused.
 *
 * Framing is that of RFC 6455, section 5.2, from server to client: no mask, no extensions.
 */
export class FrameSplitter {
  private state: State = { kind: 'http', matched: 0 };
  private readonly header = new Uint8Array(MAX_FRAME_HEADER_BYTES);
  private headerBytes = 0;
  /** A binary message has begun and not ended. */
  private inMessage = false;
  private messageBytes = 0;
  private broken: LinkEnd | undefined;

  constructor(
    private readonly target: SplitterTarget,
    private readonly maxMessageBytes: number,
  ) {}

  /** Set once something came that cannot be understood; nothing is split from then on. */
  get failure(): LinkEnd | undefined {
    return this.broken;
  }

  /** Bytes of the current frame that are data of a message and have yet to come. */
  get dataLeft(): number {
    return this.state.kind === 'data' ? this.state.left : 0;
  }

  /**
   * @returns how many of the bytes were used; fewer than given when the target did not take its data, or after a failure.
   * The rest is to be given again.
   */
  split(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.byteLength && !this.broken) {
      const used = this.step(bytes.subarray(at));
      at += used;
      if (used === 0) break;
    }
    return at;
  }

  /** Data of the current frame that reached its target by another way; no more than dataLeft. */
  skip(count: number): void {
    if (this.state.kind !== 'data') return;
    this.state.left -= count;
    if (this.state.left === 0) this.endFrame(this.state.last);
  }

  /** @returns how many bytes were used; 0 when the target takes none now */
  private step(bytes: Uint8Array): number {
    const { state } = this;
    switch (state.kind) {
      case 'http':
        return this.stepHttp(state, bytes);
      case 'frame':
        return this.stepFrame(bytes);
      case 'pass': {
        const part = bytes.subarray(0, state.left);
        this.target.passOn(part);
        state.left -= part.byteLength;
        if (state.left === 0) this.state = { kind: 'frame' };
        return part.byteLength;
      }
      case 'data': {
        const taken = this.target.takeData(bytes.subarray(0, state.left));
        this.skip(taken);
        return taken;
      }
    }
  }

  private stepHttp(state: State & { kind: 'http' }, bytes: Uint8Array): number {
    let used = 0;
    while (used < bytes.byteLength && state.matched < END_OF_HTTP.length) {
      const byte = bytes[used++];
      if (byte === END_OF_HTTP[state.matched]) state.matched++;
      else state.matched = byte === END_OF_HTTP[0] ? 1 : 0;
    }
    if (state.matched === END_OF_HTTP.length) this.state = { kind: 'frame' };
    this.target.passOn(bytes.subarray(0, used));
    return used;
  }

  private stepFrame(bytes: Uint8Array): number {
    let used = 0;
    // The second byte tells how long the header is.
    while (this.headerBytes < 2 && used < bytes.byteLength)
      this.header[this.headerBytes++] = bytes[used++] ?? 0;
    const wanted = this.headerBytes < 2 ? 2 : frameHeaderBytes(this.header[1] ?? 0);
    while (this.headerBytes < wanted && used < bytes.byteLength)
      this.header[this.headerBytes++] = bytes[used++] ?? 0;
    if (this.headerBytes < wanted || this.headerBytes < 2) return used;
    const header = this.header.subarray(0, this.headerBytes);
    this.headerBytes = 0;
    this.beginFrame(header);
    return used;
  }

  private beginFrame(header: Uint8Array): void {
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const [first, second] = [view.getUint8(0), view.getUint8(1)];
    const last = (first & 0x80) !== 0;
    const opcode = first & 0x0f;
    const lengthCode = second & 0x7f;
    if ((first & 0x70) !== 0) return this.fail('malformed', 'reserved bits of a frame are set');
    if ((second & 0x80) !== 0) return this.fail('malformed', 'a server masks its frames');
    const length =
      lengthCode < 126 ? lengthCode : lengthCode === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    const ours = opcode === OPCODE.binary || (opcode === OPCODE.continuation && this.inMessage);
    if (!ours) {
      // Its length is the business of whom it is passed on to, who refuses what is too long as soon as it sees this.
      this.state = length > 0 ? { kind: 'pass', left: length } : { kind: 'frame' };
      return this.target.passOn(header);
    }
    if (opcode === OPCODE.binary && this.inMessage)
      return this.fail('malformed', 'a message begins within a message');
    this.messageBytes = (this.inMessage ? this.messageBytes : 0) + length;
    this.inMessage = true;
    if (this.messageBytes > this.maxMessageBytes)
      return this.fail('oversize', `a message of ${this.messageBytes} bytes or more`);
    if (length > 0) this.state = { kind: 'data', left: length, last };
    else this.endFrame(last);
  }

  private endFrame(last: boolean): void {
    this.state = { kind: 'frame' };
    if (!last) return;
    this.inMessage = false;
    this.target.endMessage();
  }

  private fail(cause: 'malformed' | 'oversize', detail: string): void {
    this.broken = { cause, detail };
  }
}

function frameHeaderBytes(second: number): number {
  const lengthCode = second & 0x7f;
  return lengthCode === 127 ? 10 : lengthCode === 126 ? 4 : 2;
}
