import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket } from 'ws';
import {
  invariant,
  messageOf,
  OperationalError,
  PROTOCOL_VERSION,
  type ErrorCode,
} from '../../proto/index.js';
import type { Clock } from './clock.js';
import { encodeHandshake, NONCE_BYTES, parseHandshake, pathOf, proofOf, provesSecret } from './handshake.js';
import type { Hello, Purpose, Transcript } from './handshake.js';
import { refusalOf, type Refusals } from './refusals.js';
import { tlsFaultOf, type TlsFault } from './ring-tls.js';
import { SilenceWatch } from './silence-watch.js';
import { WEBSOCKET_OPTIONS } from './websocket-link.js';

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** Opens the connection below the WebSocket; called again when the peer is dialled again. */
  readonly connect: () => Duplex;
  /** That connection speaks TLS. */
  readonly tls?: boolean;
  /** The peer in an error's words, for example "worker w1 (rank 0)". */
  readonly peerName: string;
  readonly purpose: Purpose;
  readonly runId: string;
  readonly ringEpoch: number;
  /** Of the ring epoch: 64 hex digits. */
  readonly secret: string;
  readonly fromRank: number;
  readonly toRank: number;
  /** For connection and handshake together, and for coming again to a peer that is not ready yet. */
  readonly deadlineMs: number;
  /**
   * For the connection alone, until it is a WebSocket: shorter than the whole, in which the peer may have to make itself
   * ready. Time in which this process stood still does not count. By default there is no limit but `deadlineMs`.
   */
  readonly connectMs?: number | undefined;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Buffer;
  readonly signal: AbortSignal;
  /** Counts peers that this side has to turn away. */
  readonly refusals: Refusals;
}

/** How long a peer that is not ready yet is left alone: it held the last call for seconds before it said so. */
const COME_AGAIN_MS = 100;

/**
 * Connects to another worker's RingServer and shakes hands. A peer that has not been told of the ring epoch yet holds the
 * call, but not for ever, because who calls has not proved itself: when it gives up ('too-early') it is called again,
 * until `deadlineMs` is over.
 *
 * @param adopt takes the socket over in the moment in which the peer has proved itself: data may follow at once
 * Rejects with OperationalError: 'ring-peer-lost' when the peer cannot be reached or goes away, 'ring-refused' when it
 * refuses or cannot prove itself, 'protocol' when it speaks otherwise, 'ring-deadline', 'aborted'.
 */
export function dialPeer<T>(
  options: DialOptions,
  adopt: (socket: WebSocket) => T | PromiseLike<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    new Dial(options, (socket) => resolve(adopt(socket)), reject).start();
  });
}

const TLS_FAULTS: Readonly<Record<TlsFault, string>> = {
  'not-tls':
    'does not speak TLS as this worker does: all workers of a cluster have ring certificates, or none has',
  'bad-certificate':
    'did not agree on certificates: both were expected to be valid and signed by the same CA',
};

class Dial {
  private readonly connecting: SilenceWatch<'peer'>;
  private hello: Hello | undefined;
  private socket: WebSocket | undefined;
  private transcript: Transcript | undefined;
  private settled = false;
  private cancelDeadline: (() => void) | undefined;
  private cancelNextCall: (() => void) | undefined;

  constructor(
    private readonly options: DialOptions,
    private readonly onPeer: (socket: WebSocket) => void,
    private readonly onError: (error: OperationalError) => void,
  ) {
    this.connecting = new SilenceWatch(options.clock, [{ name: 'peer', waiting: () => true }], (_, ms) =>
      this.fail('ring-deadline', `did not answer within ${ms} ms`),
    );
  }

  start(): void {
    const { deadlineMs, clock, signal } = this.options;
    if (signal.aborted) return this.fail('aborted', 'dialling aborted');
    this.cancelDeadline = clock.after(deadlineMs, () =>
      this.fail('ring-deadline', `did not finish its handshake within ${deadlineMs} ms`),
    );
    signal.addEventListener('abort', this.onAbort);
    this.call();
  }

  private call(): void {
    const { host, port, purpose, connectMs, tls } = this.options;
    const url = `${tls === true ? 'wss' : 'ws'}://${isIPv6(host) ? `[${host}]` : host}:${port}${pathOf(purpose)}`;
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, { ...WEBSOCKET_OPTIONS, createConnection: this.options.connect });
    } catch (error) {
      return this.fail('ring-peer-lost', `has no address that can be dialled: ${messageOf(error)}`);
    }
    this.socket = socket;
    socket.on('open', this.onOpen);
    socket.on('message', this.onMessage);
    socket.on('error', this.onSocketError);
    socket.on('close', this.onClose);
    if (connectMs !== undefined) this.connecting.start(connectMs);
  }

  private readonly onOpen = (): void => {
    this.connecting.stop();
    const { runId, ringEpoch, fromRank, toRank } = this.options;
    const nonce = this.options.randomBytes(NONCE_BYTES).toString('hex');
    this.hello = { kind: 'hello', protocol: PROTOCOL_VERSION, runId, ringEpoch, fromRank, toRank, nonce };
    this.socket?.send(encodeHandshake(this.hello));
  };

  private readonly onMessage = (data: RawData, isBinary: boolean): void => {
    const message = !isBinary && Buffer.isBuffer(data) ? data : undefined;
    const { socket, hello, options, transcript } = this;
    invariant(socket && hello, 'messages come over an open socket');
    if (message && !transcript) {
      const challenge = parseHandshake('challenge', message);
      if (challenge) {
        this.transcript = { purpose: options.purpose, hello, acceptorNonce: challenge.nonce };
        const proof = proofOf(options.secret, 'dialler', this.transcript);
        return socket.send(encodeHandshake({ kind: 'proof', proof }));
      }
    } else if (message && transcript) {
      const welcome = parseHandshake('welcome', message);
      if (welcome && !provesSecret(welcome.proof, options.secret, 'acceptor', transcript)) {
        options.refusals.count('bad-secret', `${options.host}:${options.port}`);
        return this.fail('ring-refused', 'does not know the secret of the ring epoch');
      }
      if (welcome) {
        this.settle();
        return this.onPeer(socket);
      }
    }
    options.refusals.count('malformed', `${options.host}:${options.port}`);
    this.fail('protocol', 'sent what is no part of the handshake');
  };

  private readonly onSocketError = (error: Error & { readonly code?: string }): void => {
    const { options, hello } = this;
    const fault = options.tls === true ? tlsFaultOf(error) : null;
    if (fault !== null) {
      options.refusals.count(fault, `${options.host}:${options.port}`);
      return this.fail('ring-refused', `${TLS_FAULTS[fault]} (${error.message})`);
    }
    // It took the connection and ended it without a word, as whoever expects TLS, or another certificate, must.
    const cut = hello === undefined && error.code === 'ECONNRESET';
    const perhaps = options.tls === true ? 'does it speak TLS, with the same CA' : 'does it expect TLS';
    this.fail('ring-peer-lost', `cannot be reached: ${error.message}${cut ? `; ${perhaps}?` : ''}`);
  };

  private readonly onClose = (code: number, message: Buffer): void => {
    const reason = refusalOf(code, message.toString('utf8'));
    if (reason === 'too-early' && !this.transcript) this.callAgain();
    else if (reason) this.fail('ring-refused', `refused the connection: ${reason}`);
    else this.fail('ring-peer-lost', `closed the connection during the handshake (${code})`);
  };

  private readonly onAbort = (): void => this.fail('aborted', 'dialling aborted');

  private callAgain(): void {
    this.letGo();
    this.cancelNextCall = this.options.clock.after(COME_AGAIN_MS, () => this.call());
  }

  private fail(code: ErrorCode, what: string): void {
    if (this.settled) return;
    const { socket } = this;
    this.settle();
    // Terminating a socket that is still connecting emits an error.
    socket?.on('error', () => undefined);
    socket?.terminate();
    const { peerName, host, port } = this.options;
    this.onError(new OperationalError(code, `${peerName} at ${host}:${port}: ${what}`));
  }

  private settle(): void {
    this.settled = true;
    this.cancelDeadline?.();
    this.cancelNextCall?.();
    this.options.signal.removeEventListener('abort', this.onAbort);
    this.letGo();
  }

  /** Listens to the socket no more. */
  private letGo(): void {
    this.connecting.stop();
    this.socket?.off('open', this.onOpen).off('message', this.onMessage);
    this.socket?.off('error', this.onSocketError).off('close', this.onClose);
  }
}
