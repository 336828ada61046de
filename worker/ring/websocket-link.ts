import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { limits } from '../../proto/index.js';
import type { Adder } from './adder.js';
import { FRAME_HEADER_BYTES } from './frame.js';
import type {
  IncomingLink,
  LinkEnd,
  LinkListener,
  OutgoingLink,
  SegmentReader,
  SegmentTarget,
} from './link.js';
import { HANDSHAKE_MESSAGE_BYTES } from './handshake.js';
import { PayloadFiller } from './payload-filler.js';
import type { RingAddress } from './ring-address.js';
import type { RingTls } from './ring-tls.js';
import { SplitConnection } from './split-connection.js';

/** A WebSocket that was accepted, with the connection below it: a TLSSocket where the ring speaks TLS. */
export interface AcceptedPeer {
  readonly socket: WebSocket;
  readonly transport: Socket;
}

/**
 * Options of ws for both sides. The sizes are those of the handshake and hold after it, too: data flows from the accepting
 * side only, and on the dialling side it does not reach the WebSocket.
 */
export const WEBSOCKET_OPTIONS = {
  perMessageDeflate: false,
  maxPayload: HANDSHAKE_MESSAGE_BYTES,
  // A handshake comes in a handful of pieces; more are a drip.
  maxFragments: 64,
  maxBufferedChunks: 64,
  /** A peer that does not answer a goodbye is let go after this, in ms. */
  closeTimeout: 1_000,
} as const;

/** What both ends share: a socket that ends once, and tells so. */
abstract class WebSocketLink<Listener extends LinkListener> {
  protected listener: Listener | undefined;
  private end: LinkEnd | undefined;
  /** Closed or destroyed by this side. */
  private left = false;

  constructor(protected readonly socket: WebSocket) {
    socket.on('error', (error) => this.finish(endOf(error)));
    socket.on('close', (code: number, message: Buffer) => {
      const reason = message.toString('utf8');
      this.finish({ cause: 'lost', detail: `connection closed (${code}${reason ? `, ${reason}` : ''})` });
    });
    socket.on('message', () => this.finish({ cause: 'malformed', detail: 'a message that is no segment' }));
  }

  listen(listener: Listener): void {
    this.listener = listener;
    const { end } = this;
    if (end) queueMicrotask(() => this.listener === listener && !this.left && listener.onEnd(end));
  }

  close(): void {
    this.left = true;
    this.socket.close(1000, 'ring closed');
  }

  destroy(): void {
    this.left = true;
    this.socket.terminate();
  }

  protected get over(): boolean {
    return this.left || this.end !== undefined;
  }

  protected finish(end: LinkEnd): void {
    if (this.over) return;
    this.end = end;
    this.socket.terminate();
    this.listener?.onEnd(end);
  }
}

/**
 * The accepting side: frames of a WebSocket server are not masked, which would cost a pass over all bytes. That is why
 * successors dial their predecessors.
 */
export class WebSocketOutgoingLink extends WebSocketLink<LinkListener> implements OutgoingLink {
  private readonly transport: Socket;

  constructor(peer: AcceptedPeer) {
    super(peer.socket);
    this.transport = peer.transport;
  }

  send(header: Uint8Array, payload: Uint8Array, onTaken: () => void): void {
    // Two fragments of one message, written at once: the payload is sent from where it lies.
    this.transport.cork();
    this.socket.send(header, { binary: true, fin: false });
    this.socket.send(payload, { binary: true, fin: true }, (error) => {
      if (!error) onTaken();
    });
    this.transport.uncork();
  }
}

/** The dialling side. Segments go from the connection into the vector without a stop between. */
export class WebSocketIncomingLink
  extends WebSocketLink<LinkListener | SegmentReader>
  implements IncomingLink
{
  private readonly filler: PayloadFiller;
  private readonly header = new Uint8Array(FRAME_HEADER_BYTES);
  private headerBytes = 0;
  private target: SegmentTarget | undefined;

  /** @param connection the one below `socket` */
  constructor(
    socket: WebSocket,
    private readonly connection: SplitConnection,
    adder: Adder,
  ) {
    super(socket);
    const filler = new PayloadFiller(adder);
    this.filler = filler;
    connection.attach({
      takeData: (bytes) => this.takeData(bytes),
      endMessage: () => this.endMessage(),
      room: () => (this.target && !this.over ? filler.room() : undefined),
      placed: (count) => filler.placed(count),
      get scratchStart() {
        return filler.scratchStart;
      },
      failed: (end) => this.finish(end),
    });
  }

  /** The link has stopped reading, because nobody wants the segment that has begun. */
  get stopped(): boolean {
    return this.connection.stopped;
  }

  /** A connection whose messages are those of an incoming link. */
  static connect(address: RingAddress, adder: Adder, tls?: RingTls): SplitConnection {
    return new SplitConnection({ address, tls, scratch: adder.scratch, maxMessageBytes: MESSAGE_BYTES });
  }

  override close(): void {
    super.close();
    // What still comes is dropped, so that the peer's answer can be read.
    this.connection.resumeReading();
  }

  resume(): void {
    this.connection.resumeReading();
  }

  private takeData(bytes: Uint8Array): number {
    if (this.over) return bytes.byteLength;
    const headerPart = bytes.subarray(0, FRAME_HEADER_BYTES - this.headerBytes);
    this.header.set(headerPart, this.headerBytes);
    this.headerBytes += headerPart.byteLength;
    if (this.headerBytes < FRAME_HEADER_BYTES) return headerPart.byteLength;
    if (!this.target && !this.begin()) return headerPart.byteLength;
    const payload = bytes.subarray(headerPart.byteLength);
    const wanted = payload.subarray(0, this.filler.remaining);
    this.filler.take(wanted);
    if (wanted.byteLength < payload.byteLength)
      this.finish({ cause: 'malformed', detail: 'a segment that is longer than its header says' });
    return headerPart.byteLength + wanted.byteLength;
  }

  private begin(): boolean {
    const { listener } = this;
    if (!listener || !('onSegment' in listener)) return false;
    this.target = listener.onSegment(this.header);
    if (this.target) this.filler.start(this.target);
    return this.target !== undefined;
  }

  private endMessage(): void {
    if (this.over) return;
    if (!this.target || this.filler.remaining > 0)
      return this.finish({ cause: 'malformed', detail: 'a segment that is shorter than its header says' });
    this.target = undefined;
    this.headerBytes = 0;
    if (this.listener && 'onFilled' in this.listener) this.listener.onFilled();
  }
}

const MESSAGE_BYTES = FRAME_HEADER_BYTES + limits.ringSegmentBytes;

/** What an error of a WebSocket means. Errors of the protocol have codes of ws, those of the connection the system's. */
export function endOf(error: Error & { readonly code?: string }): LinkEnd {
  const cause = faultOf(error);
  if (cause !== null) return { cause, detail: error.message };
  return { cause: 'lost', detail: `connection failed: ${error.message}` };
}

/** ws has a code of its own for lengths that no number can hold. */
const OVERSIZE_CODES: ReadonlySet<string | undefined> = new Set([
  'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
  'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
]);

/** What a peer did wrong, by the error of its WebSocket; null when the connection only failed. */
export function faultOf({ code }: { readonly code?: string }): 'oversize' | 'malformed' | null {
  if (OVERSIZE_CODES.has(code)) return 'oversize';
  return code?.startsWith('WS_ERR') === true ? 'malformed' : null;
}
