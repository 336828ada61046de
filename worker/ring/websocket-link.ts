import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { limits } from '../../proto/index.js';
import { FRAME_HEADER_BYTES } from './frame.js';
import { Inbox } from './inbox.js';
import type { IncomingLink, LinkEnd, LinkListener, LinkSegment, OutgoingLink } from './link.js';

/** A WebSocket whose handshake is done, with the connection below it. */
export interface PeerSocket {
  readonly socket: WebSocket;
  readonly transport: Socket;
}

/** Segments that nobody takes are kept up to this, then the socket is paused. */
export const READ_AHEAD_BYTES = 4 * limits.ringSegmentBytes;
/** The largest message that the dialling side of a link accepts. */
export const SEGMENT_MESSAGE_BYTES = FRAME_HEADER_BYTES + limits.ringSegmentBytes;

/** A peer that does not answer a goodbye is let go after this. */
export const CLOSE_TIMEOUT_MS = 1_000;

/** What both ends share: a socket that ends once, and tells so. */
abstract class WebSocketLink {
  private listener: LinkListener | undefined;
  private end: LinkEnd | undefined;
  /** Closed or destroyed by this side. */
  protected left = false;

  constructor(protected readonly peer: PeerSocket) {
    const { socket } = peer;
    socket.on('error', (error: Error & { code?: string }) => {
      const cause = causeOf(error.code);
      this.finish({
        cause,
        detail: cause === 'lost' ? `connection failed: ${error.message}` : error.message,
      });
    });
    socket.on('close', (code: number, message: Buffer) => {
      const reason = message.toString('utf8');
      this.finish({ cause: 'lost', detail: `connection closed (${code}${reason ? `, ${reason}` : ''})` });
    });
  }

  listen(listener: LinkListener): void {
    this.listener = listener;
    const { end } = this;
    if (end) queueMicrotask(() => this.listener === listener && !this.left && listener.onEnd(end));
  }

  close(): void {
    this.left = true;
    // A paused socket would not see the peer's answer.
    this.peer.socket.resume();
    this.peer.socket.close(1000, 'ring closed');
  }

  destroy(): void {
    this.left = true;
    this.peer.socket.terminate();
  }

  protected announceSegment(): void {
    this.listener?.onSegment?.();
  }

  protected finish(end: LinkEnd): void {
    if (this.end || this.left) return;
    this.end = end;
    this.peer.socket.terminate();
    this.listener?.onEnd(end);
  }
}

/**
 * The accepting side: frames of a WebSocket server are not masked, which would cost a pass over all bytes. That is why
 * successors dial their predecessors.
 */
export class WebSocketOutgoingLink extends WebSocketLink implements OutgoingLink {
  constructor(peer: PeerSocket) {
    super(peer);
    peer.socket.on('message', () =>
      this.finish({ cause: 'malformed', detail: 'data against the direction of the ring' }),
    );
  }

  send(header: Uint8Array, payload: Uint8Array, onTaken: () => void): void {
    const { socket, transport } = this.peer;
    // Two fragments of one message, written at once: the payload is sent from where it lies.
    transport.cork();
    socket.send(header, { binary: true, fin: false });
    socket.send(payload, { binary: true, fin: true }, (error) => {
      if (!error) onTaken();
    });
    transport.uncork();
  }
}

/** The dialling side. Its socket has `binaryType` 'fragments', so that what was sent apart comes in apart. */
export class WebSocketIncomingLink extends WebSocketLink implements IncomingLink {
  private readonly inbox: Inbox;

  constructor(peer: PeerSocket, readAheadBytes = READ_AHEAD_BYTES) {
    super(peer);
    this.inbox = new Inbox(readAheadBytes);
    peer.socket.on('message', (data, isBinary) => this.receive(data, isBinary));
  }

  /** The link has stopped reading, because nobody takes what it read. */
  get paused(): boolean {
    return this.peer.socket.isPaused;
  }

  take(): LinkSegment | undefined {
    const segment = this.inbox.take();
    if (this.paused && !this.inbox.full) this.peer.socket.resume();
    return segment;
  }

  override close(): void {
    this.inbox.clear();
    super.close();
  }

  override destroy(): void {
    this.inbox.clear();
    super.destroy();
  }

  private receive(data: RawData, isBinary: boolean): void {
    if (this.left) return;
    const segment = isBinary && Array.isArray(data) ? segmentOf(data) : undefined;
    if (!segment) return this.finish({ cause: 'malformed', detail: 'a message that is no segment' });
    this.inbox.push(segment);
    if (this.inbox.full) this.peer.socket.pause();
    this.announceSegment();
  }
}

/** Errors of the protocol have codes of ws, those of the connection have the system's. */
function causeOf(code: string | undefined): LinkEnd['cause'] {
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return 'oversize';
  return code?.startsWith('WS_ERR') ? 'malformed' : 'lost';
}

function segmentOf(fragments: Buffer[]): LinkSegment | undefined {
  const [header, payload] = fragments;
  if (header?.byteLength === FRAME_HEADER_BYTES && payload && fragments.length === 2)
    return { header, payload };
  // Whoever relays a WebSocket may cut messages elsewhere.
  const message = Buffer.concat(fragments);
  if (message.byteLength <= FRAME_HEADER_BYTES) return undefined;
  return { header: message.subarray(0, FRAME_HEADER_BYTES), payload: message.subarray(FRAME_HEADER_BYTES) };
}
