import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import {
  createServer as createNetServer,
  type AddressInfo,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { invariant, limits, messageOf, UsageError } from '../../proto/index.js';
import { Admissions, type Admission } from './admission.js';
import { systemClock, type Clock } from './clock.js';
import { pathOf, PURPOSES, type Purpose } from './handshake.js';
import { PendingPeer, addressOf } from './pending-peer.js';
import { Refusals, type RefusalReason } from './refusals.js';
import { localSocketPath } from './ring-address.js';
import { WEBSOCKET_OPTIONS, type AcceptedPeer } from './websocket-link.js';

export interface RingServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly clock?: Clock;
  /** Told of every peer that is turned away. */
  readonly onRefused?: (reason: RefusalReason, peer: string) => void;
  /** Sockets that have yet to prove who they are, at most. */
  readonly pendingSockets?: number;
  readonly handshakeMs?: number;
  /** Where nonces come from; tests only. */
  readonly randomBytes?: (count: number) => Buffer;
}

/** Takes a peer that has proved itself. */
export type PeerHandler = (peer: AcceptedPeer, fromRank: number) => void;

interface Door {
  readonly admissions: Admissions;
  /** Of the admission that is open. */
  onPeer: PeerHandler | undefined;
}

const MAX_HEADER_BYTES = 4_096;

/**
 * The one port on which a worker is reached by other workers, from the process's start to its end. Lets in, for each
 * purpose and ring epoch, those who prove that they belong to it; all others are refused with a reason and counted.
 */
export class RingServer {
  readonly refusals: Refusals;
  private readonly pending = new Map<Duplex, PendingPeer>();
  private readonly transports = new Set<Socket>();
  private readonly doors: ReadonlyMap<Purpose, Door>;
  private readonly http: Server;
  /** The Unix socket beside the port; see localSocketPath. */
  private readonly local: NetServer;
  private readonly webSockets: WebSocketServer;

  private constructor(private readonly options: RingServerOptions) {
    this.refusals = new Refusals(options.onRefused);
    this.doors = new Map(
      PURPOSES.map((purpose) => [purpose, { admissions: new Admissions(), onPeer: undefined }]),
    );
    // Deadlines are kept for each connection as a whole, from its first byte to the end of the handshake.
    this.http = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: 0, headersTimeout: 0 });
    this.webSockets = new WebSocketServer({ ...WEBSOCKET_OPTIONS, noServer: true, clientTracking: false });
    this.webSockets.on('wsClientError', (_error, transport) => this.refuse(transport, 'malformed'));
    this.http.on('connection', (transport) => this.connected(transport));
    this.local = createNetServer((transport) => this.http.emit('connection', transport));
    this.http.on('upgrade', (request, transport, head) => this.upgrade(request, transport, head));
    this.http.on('request', (request, response) => {
      response.writeHead(426, { connection: 'close' });
      response.end(() => this.refuse(request.socket, 'malformed'));
    });
    this.http.on('clientError', (error: NodeJS.ErrnoException, transport) => {
      if (error.code === 'HPE_HEADER_OVERFLOW') this.refuse(transport, 'oversize');
      else if (error.code?.startsWith('HPE_')) this.refuse(transport, 'malformed');
      transport.destroy();
    });
  }

  /** Opens the port. Throws UsageError when it cannot be had. */
  static async listen(options: RingServerOptions): Promise<RingServer> {
    const server = new RingServer(options);
    await new Promise<void>((resolve, reject) => {
      server.http.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'it is taken' : messageOf(error);
        const what = `cannot listen on ${options.host}:${options.port} for the ring: ${why}`;
        reject(
          new UsageError(`${what}; choose another with --ring-port, or 0 for any free one`, { cause: error }),
        );
      });
      server.http.listen(options.port, options.host, resolve);
    });
    await server.listenLocally();
    // From here on an error is a connection that could not be accepted: the process has too many files open.
    server.http.on('error', () => server.refusals.count('too-many', 'unknown'));
    return server;
  }

  get port(): number {
    const address = this.http.address() as AddressInfo | null;
    invariant(address, 'the server listens');
    return address.port;
  }

  /** Connections that have yet to prove who they are. */
  get pendingCount(): number {
    return this.pending.size;
  }

  /** Of those, the ones that came for a ring epoch of which this worker has not been told yet. */
  get heldCount(): number {
    return [...this.pending.values()].filter(({ held }) => held).length;
  }

  /** All connections: those, and the links of rings. */
  get connectionCount(): number {
    return this.transports.size;
  }

  /**
   * Lets in the peers of one ring epoch, in place of those of an older one for the same purpose. Whoever came early for it
   * has been held and goes on now. Throws OperationalError 'ring-refused' for a ring epoch that is not newer.
   * @param onPeer called in the moment in which a peer has proved itself: before anything more from it can arrive
   * @returns takes the admission back; peers already let in stay
   */
  admit(admission: Admission, onPeer: PeerHandler): () => void {
    const door = this.doorOf(admission.purpose);
    door.admissions.open(admission);
    door.onPeer = onPeer;
    for (const peer of [...this.pending.values()]) peer.reconsider();
    return () => door.admissions.close(admission);
  }

  /** Ends every connection that was accepted, as a network would that fails; goes on listening. */
  dropConnections(): void {
    for (const transport of this.transports) transport.destroy();
  }

  /** Stops listening and ends every connection that was accepted. */
  async close(): Promise<void> {
    const closed = [this.http, this.local].map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    this.dropConnections();
    await Promise.all(closed);
  }

  private async listenLocally(): Promise<void> {
    const path = localSocketPath(this.options.host, this.port);
    if (path === undefined) return;
    await new Promise<void>((resolve, reject) => {
      this.local.once('error', (cause) => {
        this.http.close();
        reject(
          new UsageError(`cannot listen beside port ${this.port} for the ring: ${messageOf(cause)}`, {
            cause,
          }),
        );
      });
      this.local.listen(path, resolve);
    });
  }

  private connected(transport: Socket): void {
    if (this.pending.size >= (this.options.pendingSockets ?? limits.ringPendingSockets)) {
      this.refusals.count('too-many', addressOf(transport));
      transport.destroy();
      return;
    }
    this.transports.add(transport);
    transport.once('close', () => this.transports.delete(transport));
    const peer = new PendingPeer(transport, {
      clock: this.options.clock ?? systemClock,
      handshakeMs: this.options.handshakeMs ?? limits.ringHandshakeMs,
      randomBytes: this.options.randomBytes ?? randomBytes,
      refusals: this.refusals,
      onAdmitted: (purpose, fromRank, socket) => this.doorOf(purpose).onPeer?.(socket, fromRank),
      onOver: () => this.pending.delete(transport),
    });
    this.pending.set(transport, peer);
  }

  private upgrade(request: IncomingMessage, transport: Duplex, head: Buffer): void {
    const purpose = PURPOSES.find((known) => request.url === pathOf(known));
    if (!purpose) return this.refuse(transport, 'malformed');
    this.webSockets.handleUpgrade(request, transport, head, (socket) => {
      const peer = this.pending.get(transport);
      if (peer) peer.upgraded(socket, purpose, this.doorOf(purpose).admissions);
      else socket.terminate();
    });
  }

  private refuse(transport: Duplex, reason: RefusalReason): void {
    const peer = this.pending.get(transport);
    if (peer) peer.refuse(reason);
    else transport.destroy();
  }

  private doorOf(purpose: Purpose): Door {
    const door = this.doors.get(purpose);
    invariant(door, `purpose ${purpose} is known`);
    return door;
  }
}
