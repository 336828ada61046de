import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import {
  createServer as createNetServer,
  type AddressInfo,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { invariant, limits, messageOf, UsageError } from '../../proto/index.js';
import { Admissions, type Admission } from './admission.js';
import { systemClock, type Clock } from './clock.js';
import { pathOf, PURPOSES, type Purpose } from './handshake.js';
import { PendingPeer, addressOf } from './pending-peer.js';
import { Refusals, type RefusalReason } from './refusals.js';
import { localSocketPath } from './ring-address.js';
import type { RingTls } from './ring-tls.js';
import { TlsAcceptor } from './tls-acceptor.js';
import { WEBSOCKET_OPTIONS, type AcceptedPeer } from './websocket-link.js';

export interface RingServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** With it whoever comes by the port must speak TLS and have a certificate of the cluster. */
  readonly tls?: RingTls | undefined;
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
  private readonly pending = new Set<PendingPeer>();
  /** By each stream of their connections: the accepted one, and with TLS the one that decrypts it. */
  private readonly peers = new WeakMap<Duplex, PendingPeer>();
  private readonly transports = new Set<Socket>();
  private readonly doors: ReadonlyMap<Purpose, Door>;
  private readonly http: Server;
  /** What listens on the port: http itself, or with TLS what hands it decrypted connections. */
  private readonly listener: NetServer;
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
    this.http.on('connection', (transport) => {
      if (!this.peers.has(transport)) this.connected(transport);
    });
    this.listener = options.tls === undefined ? this.http : this.secureListener(options.tls);
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
      server.listener.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'it is taken' : messageOf(error);
        const what = `cannot listen on ${options.host}:${options.port} for the ring: ${why}`;
        reject(
          new UsageError(`${what}; choose another with --ring-port, or 0 for any free one`, { cause: error }),
        );
      });
      server.listener.listen(options.port, options.host, resolve);
    });
    await server.listenLocally();
    // From here on an error is a connection that could not be accepted: the process has too many files open.
    server.listener.on('error', () => server.refusals.count('too-many', 'unknown'));
    return server;
  }

  get port(): number {
    const address = this.listener.address() as AddressInfo | null;
    invariant(address, 'the server listens');
    return address.port;
  }

  /** What this worker's own calls are to be made with. */
  get tls(): RingTls | undefined {
    return this.options.tls;
  }

  /** Connections that have yet to prove who they are. */
  get pendingCount(): number {
    return this.pending.size;
  }

  /** Of those, the ones that came for a ring epoch of which this worker has not been told yet. */
  get heldCount(): number {
    return [...this.pending].filter(({ held }) => held).length;
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
    for (const peer of [...this.pending]) peer.reconsider();
    return () => door.admissions.close(admission);
  }

  /** Ends every connection that was accepted, as a network would that fails; goes on listening. */
  dropConnections(): void {
    for (const transport of this.transports) transport.destroy();
  }

  /** Stops listening and ends every connection that was accepted. */
  async close(): Promise<void> {
    const closed = [this.listener, this.local].map(
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
        this.listener.close();
        reject(
          new UsageError(`cannot listen beside port ${this.port} for the ring: ${messageOf(cause)}`, {
            cause,
          }),
        );
      });
      this.local.listen(path, resolve);
    });
  }

  /** Listens for connections that become http's once they are decrypted; all bounds hold from their first byte. */
  private secureListener(tls: RingTls): NetServer {
    const acceptor = new TlsAcceptor(tls, {
      onSecured: (raw, secured) => this.secured(raw, secured),
      onFault: (raw, fault) => this.refuse(raw, fault),
    });
    return createNetServer({ noDelay: true }, (raw) => {
      this.connected(raw);
      if (!raw.destroyed) acceptor.accept(raw);
    });
  }

  private secured(raw: Socket, secured: TLSSocket): void {
    const peer = this.pendingPeer(raw);
    if (!peer) return void secured.destroy();
    this.peers.set(secured, peer);
    this.http.emit('connection', secured);
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
      onOver: () => this.pending.delete(peer),
    });
    this.pending.add(peer);
    this.peers.set(transport, peer);
  }

  private upgrade(request: IncomingMessage, transport: Duplex, head: Buffer): void {
    const purpose = PURPOSES.find((known) => request.url === pathOf(known));
    if (!purpose) return this.refuse(transport, 'malformed');
    this.webSockets.handleUpgrade(request, transport, head, (socket) => {
      const peer = this.pendingPeer(transport);
      if (peer)
        peer.upgraded({ socket, transport: transport as Socket }, purpose, this.doorOf(purpose).admissions);
      else socket.terminate();
    });
  }

  private refuse(transport: Duplex, reason: RefusalReason): void {
    const peer = this.pendingPeer(transport);
    if (peer) peer.refuse(reason);
    else transport.destroy();
  }

  private pendingPeer(transport: Duplex): PendingPeer | undefined {
    const peer = this.peers.get(transport);
    return peer && this.pending.has(peer) ? peer : undefined;
  }

  private doorOf(purpose: Purpose): Door {
    const door = this.doors.get(purpose);
    invariant(door, `purpose ${purpose} is known`);
    return door;
  }
}
