import type { Socket } from 'node:net';
import type { RawData } from 'ws';
import type { Admission, Admissions } from './admission.js';
import type { Clock } from './clock.js';
import { encodeHandshake, NONCE_BYTES, parseHandshake, proofOf, provesSecret } from './handshake.js';
import type { Hello, Purpose, Transcript } from './handshake.js';
import { REFUSED_CLOSE_CODE, type RefusalReason, type Refusals } from './refusals.js';
import { faultOf, type AcceptedPeer } from './websocket-link.js';

/** A peer in words; one that came by the Unix socket has no address of its own. */
export function addressOf({ remoteAddress, remotePort }: Socket): string {
  return remoteAddress === undefined ? 'this machine' : `${remoteAddress}:${remotePort}`;
}

export interface PendingPeerOptions {
  readonly clock: Clock;
  /** From the connection to the end of the handshake, whatever it is waiting for. */
  readonly handshakeMs: number;
  readonly randomBytes: (count: number) => Buffer;
  readonly refusals: Refusals;
  /** Called in the moment of the proof, before anything more can arrive. */
  readonly onAdmitted: (purpose: Purpose, fromRank: number, peer: AcceptedPeer) => void;
  /** The connection is gone, or no longer pending. */
  readonly onOver: (peer: PendingPeer) => void;
}

/** How far the peer has come, with what it said. */
type Stage =
  /** With TLS its handshake comes before. */
  | { readonly kind: 'http' }
  | { readonly kind: 'hello'; readonly door: Door }
  | { readonly kind: 'held'; readonly door: Door; readonly hello: Hello }
  | {
      readonly kind: 'proof';
      readonly door: Door;
      readonly admission: Admission;
      readonly transcript: Transcript;
    }
  | { readonly kind: 'over' };

interface Door {
  readonly peer: AcceptedPeer;
  readonly purpose: Purpose;
  readonly admissions: Admissions;
}

/** The accepting side of one handshake: from the accepted connection to a peer that has proved who it is, or is refused. */
export class PendingPeer {
  private stage: Stage = { kind: 'http' };
  private readonly address: string;
  private readonly cancelDeadline: () => void;

  constructor(
    /** As it was accepted: below TLS. */
    private readonly transport: Socket,
    private readonly options: PendingPeerOptions,
  ) {
    this.address = addressOf(transport);
    this.cancelDeadline = options.clock.after(options.handshakeMs, () =>
      this.refuse(this.held ? 'too-early' : 'deadline'),
    );
    transport.once('close', () => {
      // Who connects and says nothing may be a probe of the port; who leaves in mid-sentence is counted.
      if (this.stage.kind !== 'over' && transport.bytesRead > 0) this.count('incomplete');
      this.over();
    });
  }

  /** It came for a ring epoch of which this worker has not been told yet. */
  get held(): boolean {
    return this.stage.kind === 'held';
  }

  /** The connection has become a WebSocket for `purpose`. */
  upgraded(peer: AcceptedPeer, purpose: Purpose, admissions: Admissions): void {
    const { socket } = peer;
    socket.on('error', (error: Error & { code?: string }) => {
      const fault = faultOf(error);
      if (fault !== null) this.refuse(fault);
      // Anything else ends the connection, which is noticed above.
    });
    if (this.stage.kind !== 'http') return socket.terminate();
    this.stage = { kind: 'hello', door: { peer, purpose, admissions } };
    socket.on('message', this.onMessage);
  }

  /** A ring epoch was opened: what was held for it goes on, what became old is refused. */
  reconsider(): void {
    if (this.stage.kind === 'held') this.judge(this.stage.door, this.stage.hello);
  }

  refuse(reason: RefusalReason): void {
    if (this.stage.kind === 'over') return;
    const { stage } = this;
    this.count(reason);
    this.cancelDeadline();
    // The connection stays among the pending ones until it is gone, so that their number stays bounded.
    if (stage.kind === 'http') this.transport.destroy();
    else stage.door.peer.socket.close(REFUSED_CLOSE_CODE, reason);
  }

  private readonly onMessage = (data: RawData, isBinary: boolean): void => {
    const message = !isBinary && Buffer.isBuffer(data) ? data : undefined;
    const { stage } = this;
    if (message && stage.kind === 'hello') {
      const hello = parseHandshake('hello', message);
      if (hello) return this.judge(stage.door, hello);
    }
    if (message && stage.kind === 'proof') {
      const proof = parseHandshake('proof', message);
      if (proof) return this.conclude(stage.door, stage.admission, stage.transcript, proof.proof);
    }
    this.refuse('malformed');
  };

  private judge(door: Door, hello: Hello): void {
    const verdict = door.admissions.judge(hello);
    switch (verdict.kind) {
      case 'refuse':
        return this.refuse(verdict.reason);
      case 'hold':
        this.stage = { kind: 'held', door, hello };
        return;
      case 'challenge': {
        const acceptorNonce = this.options.randomBytes(NONCE_BYTES).toString('hex');
        const transcript = { purpose: door.purpose, hello, acceptorNonce };
        this.stage = { kind: 'proof', door, admission: verdict.admission, transcript };
        door.peer.socket.send(encodeHandshake({ kind: 'challenge', nonce: acceptorNonce }));
      }
    }
  }

  private conclude(door: Door, admission: Admission, transcript: Transcript, given: string): void {
    if (!provesSecret(given, admission.secret, 'dialler', transcript)) return this.refuse('bad-secret');
    const reason = door.admissions.admit(transcript.hello, admission);
    if (reason) return this.refuse(reason);
    const { peer, purpose } = door;
    const { socket } = peer;
    socket.off('message', this.onMessage);
    this.over();
    socket.send(
      encodeHandshake({ kind: 'welcome', proof: proofOf(admission.secret, 'acceptor', transcript) }),
    );
    this.options.onAdmitted(purpose, transcript.hello.fromRank, peer);
  }

  private count(reason: RefusalReason): void {
    this.stage = { kind: 'over' };
    this.options.refusals.count(reason, this.address);
  }

  private over(): void {
    this.stage = { kind: 'over' };
    this.cancelDeadline();
    this.options.onOver(this);
  }
}
