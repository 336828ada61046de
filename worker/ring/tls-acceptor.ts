import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { acceptorOptions, tlsFaultOf, type RingTls, type TlsFault } from './ring-tls.js';

export interface TlsAcceptorHandlers {
  /** `raw` has become `secured`, whose owner has a certificate of the cluster. Nothing of it was read yet. */
  readonly onSecured: (raw: Socket, secured: TLSSocket) => void;
  /** What came over `raw` is no TLS, or no certificate of the cluster; it is still open. */
  readonly onFault: (raw: Socket, fault: TlsFault) => void;
}

/** Whose connection it is: no two that are open have the same. */
const endsOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/**
 * Does the TLS handshake of connections that somebody else accepted, and bounds: one that never ends its handshake is that
 * one's to cut.
 */
export class TlsAcceptor {
  /** Never listens: it is handed its connections. */
  private readonly server: Server;
  /** Connections in their TLS handshake. Node tells of one's outcome by the new socket only, which has the same ends. */
  private readonly underway = new Map<string, Socket>();

  constructor(
    tls: RingTls,
    private readonly handlers: TlsAcceptorHandlers,
  ) {
    this.server = createServer(acceptorOptions(tls));
    this.server.on('secureConnection', (secured) => {
      const raw = this.underway.get(endsOf(secured));
      if (!raw) return void secured.destroy();
      if (!isOfCluster(secured)) return this.handlers.onFault(raw, 'bad-certificate');
      this.underway.delete(endsOf(raw));
      this.handlers.onSecured(raw, secured);
    });
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, secured) => {
      const raw = this.underway.get(endsOf(secured));
      const fault = tlsFaultOf(error);
      // Anything else is a connection that ended, which its owner notices.
      if (raw && fault !== null) this.handlers.onFault(raw, fault);
    });
  }

  accept(raw: Socket): void {
    const ends = endsOf(raw);
    this.underway.set(ends, raw);
    raw.once('close', () => {
      if (this.underway.get(ends) === raw) this.underway.delete(ends);
    });
    this.server.emit('connection', raw);
  }
}

/**
 * A resumed session, which no worker asks for, is not looked at: Node takes one for authorized that began without any
 * certificate.
 */
function isOfCluster(secured: TLSSocket): boolean {
  return secured.authorized && !secured.isSessionReused() && secured.getPeerX509Certificate() !== undefined;
}
