import type { WebSocket } from 'ws';
import { limits, OperationalError, type ErrorCode } from '../../proto/index.js';
import type { Clock } from './clock.js';
import type { LinkEnd } from './link.js';
import type { RefusalReason } from './refusals.js';
import type { RingAddress } from './ring-address.js';
import type { RingTls } from './ring-tls.js';
import { SilenceWatch } from './silence-watch.js';
import { SplitConnection, type DataSink } from './split-connection.js';
import { judgeStateHeader, STATE_HEADER_BYTES, type ExpectedSizes } from './state-header.js';
import { endOf } from './websocket-link.js';

/** A state that has arrived, in memory of its own. */
export interface FetchedState {
  readonly state: Uint8Array;
  readonly rows: Uint8Array;
}

export interface StateReceiverOptions {
  readonly expected: ExpectedSizes;
  /** The peer in an error's words. */
  readonly peerName: string;
  readonly clock: Clock;
  /** No byte for so long fails it. */
  readonly silenceMs: number;
  /** For all bytes to be here, from now on. */
  readonly leftMs: number;
  /** The same in an error's words: what the whole had. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly onMisbehaviour: (reason: RefusalReason) => void;
  readonly onProgress: ((receivedBytes: number, totalBytes: number) => void) | undefined;
}

/** Reads that do not go straight to their place: heads of frames, and what is little. */
const SCRATCH_BYTES = 65_536;
/** A WebSocket that ended without a goodbye has this close code of its own (RFC 6455, section 7.1.5). */
const NO_GOODBYE = 1006;

/** How far the transfer has come. */
type Stage =
  | { readonly kind: 'header' }
  /** Its memory has been allocated; `doneBytes` of the parts, one after the other, are in place. */
  | { readonly kind: 'filling'; readonly parts: FetchedState; doneBytes: number }
  /** All is there, and the goodbye said; the peer has yet to answer it. */
  | { readonly kind: 'whole'; readonly parts: FetchedState }
  | { readonly kind: 'over' };

/**
 * Takes a state from a WebSocket that was dialled and has done its handshake. The system reads it straight into its place;
 * besides, it takes the memory of one read. Nothing is allocated before the peer has announced the very sizes that are
 * expected.
 *
 * Resolves once every announced byte is there and the peer has ended the connection, so that not one more can follow. Rejects
 * with OperationalError 'ring-peer-lost', 'ring-deadline', 'protocol' or 'aborted'.
 * @param connection the one below `socket`, from connectForState
 */
export function receiveState(
  socket: WebSocket,
  connection: SplitConnection,
  options: StateReceiverOptions,
): Promise<FetchedState> {
  return new Promise((resolve, reject) => {
    connection.attach(new StateReceiver(socket, options, resolve, reject));
  });
}

/** A connection whose messages are those of a state. */
export function connectForState(address: RingAddress, tls?: RingTls): SplitConnection {
  const scratch = new Uint8Array(SCRATCH_BYTES);
  return new SplitConnection({ address, tls, scratch, maxMessageBytes: limits.ringSegmentBytes });
}

class StateReceiver implements DataSink {
  readonly scratchStart = 0;
  private readonly watch: SilenceWatch<'sender'>;
  private readonly cancelDeadline: () => void;
  private readonly header = new Uint8Array(STATE_HEADER_BYTES);
  private headerBytes = 0;
  /** Of the message that is arriving. */
  private messageBytes = 0;
  private stage: Stage = { kind: 'header' };

  constructor(
    private readonly socket: WebSocket,
    private readonly options: StateReceiverOptions,
    private readonly resolve: (fetched: FetchedState) => void,
    private readonly reject: (error: OperationalError) => void,
  ) {
    const { clock, silenceMs, leftMs, deadlineMs, signal } = options;
    this.watch = new SilenceWatch(clock, [{ name: 'sender', waiting: () => true }], () =>
      this.fail('ring-deadline', `was silent for ${silenceMs} ms (${this.progressInWords()})`),
    );
    this.watch.start(silenceMs);
    this.cancelDeadline = clock.after(leftMs, () =>
      this.fail(
        'ring-deadline',
        `did not send its state within ${deadlineMs} ms (${this.progressInWords()})`,
      ),
    );
    signal.addEventListener('abort', this.onAbort);
    socket.on('error', (error) => this.ended(endOf(error)));
    socket.on('close', this.onClose);
    for (const event of ['message', 'ping', 'pong'] as const)
      socket.on(event, () => this.misbehaved('a message that is no part of a state'));
    if (signal.aborted) this.onAbort();
  }

  room(): Uint8Array | undefined {
    return this.stage.kind === 'filling' ? roomOf(this.stage) : undefined;
  }

  placed(count: number): void {
    if (this.stage.kind !== 'filling') return;
    this.stage.doneBytes += count;
    this.messageBytes += count;
    this.watch.heard('sender');
  }

  /** Takes all, whatever becomes of it: reading never stops. */
  takeData(bytes: Uint8Array): number {
    let rest = bytes;
    while (rest.byteLength > 0 && this.stage.kind !== 'over') rest = rest.subarray(this.takePart(rest));
    return bytes.byteLength;
  }

  endMessage(): void {
    const { stage, messageBytes } = this;
    this.messageBytes = 0;
    if (stage.kind === 'over') return;
    // Nobody sends a message of nothing, and a stream of them would end never.
    if (messageBytes === 0) return this.misbehaved('an empty message');
    if (stage.kind === 'header') return this.begin();
    if (stage.kind !== 'filling') return;
    const { doneBytes, parts } = stage;
    this.options.onProgress?.(doneBytes, totalOf(parts));
    if (this.stage === stage && doneBytes === totalOf(parts)) this.finish(parts);
  }

  failed(end: LinkEnd): void {
    this.ended(end);
  }

  /** @returns how many bytes were used; more than 0 */
  private takePart(bytes: Uint8Array): number {
    const { stage } = this;
    const room = stage.kind === 'header' ? this.header.subarray(this.headerBytes) : this.room();
    if (!room || room.byteLength === 0) {
      this.misbehaved('more than it announced');
      return bytes.byteLength;
    }
    const part = bytes.subarray(0, room.byteLength);
    room.set(part);
    if (stage.kind === 'header') this.headerBytes += part.byteLength;
    if (stage.kind === 'filling') stage.doneBytes += part.byteLength;
    this.messageBytes += part.byteLength;
    this.watch.heard('sender');
    return part.byteLength;
  }

  private begin(): void {
    if (this.headerBytes < STATE_HEADER_BYTES) return this.misbehaved('a header that is too short');
    const verdict = judgeStateHeader(this.header, this.options.expected);
    if (verdict.kind === 'refuse') return this.ended(verdict.end);
    const { stateBytes, rowsBytes } = verdict.sizes;
    const parts = { state: new Uint8Array(stateBytes), rows: new Uint8Array(rowsBytes) };
    this.stage = { kind: 'filling', parts, doneBytes: 0 };
    if (totalOf(parts) === 0) this.finish(parts);
  }

  private finish(parts: FetchedState): void {
    this.stage = { kind: 'whole', parts };
    // A peer that does not answer is let go soon by the WebSocket itself: closeTimeout.
    this.watch.stop();
    this.cancelDeadline();
    this.socket.close(1000, 'state received');
  }

  private readonly onClose = (code: number): void => {
    if (this.stage.kind === 'whole' || code === NO_GOODBYE)
      return this.ended({ cause: 'lost', detail: 'closed the connection' });
    this.misbehaved('a goodbye before the end');
  };

  private readonly onAbort = (): void => this.fail('aborted', 'fetching its state was aborted');

  private misbehaved(detail: string): void {
    this.ended({ cause: 'malformed', detail });
  }

  private ended({ cause, detail }: LinkEnd): void {
    const { stage } = this;
    if (stage.kind === 'over') return;
    if (cause !== 'lost') {
      this.options.onMisbehaviour(cause);
      return this.fail('protocol', `sent what is no part of its state: ${detail}`);
    }
    if (stage.kind !== 'whole') return this.fail('ring-peer-lost', `${detail} (${this.progressInWords()})`);
    this.settle();
    this.resolve(stage.parts);
  }

  private fail(code: ErrorCode, what: string): void {
    if (this.stage.kind === 'over') return;
    this.settle();
    this.reject(new OperationalError(code, `${this.options.peerName}: ${what}`));
  }

  private settle(): void {
    this.stage = { kind: 'over' };
    this.watch.stop();
    this.cancelDeadline();
    this.options.signal.removeEventListener('abort', this.onAbort);
    this.socket.terminate();
  }

  private progressInWords(): string {
    if (this.stage.kind !== 'filling') return 'nothing of it has come';
    return `${this.stage.doneBytes} of ${totalOf(this.stage.parts)} bytes have come`;
  }
}

const totalOf = ({ state, rows }: FetchedState): number => state.byteLength + rows.byteLength;

/** Where the next bytes belong; empty when all are there. */
function roomOf({ parts: { state, rows }, doneBytes }: Stage & { kind: 'filling' }): Uint8Array {
  if (doneBytes < state.byteLength) return state.subarray(doneBytes);
  return rows.subarray(doneBytes - state.byteLength);
}
