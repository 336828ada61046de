import type { WebSocket } from 'ws';
import { limits } from '../../proto/index.js';
import type { Clock } from './clock.js';
import type { RefusalReason } from './refusals.js';
import { SilenceWatch } from './silence-watch.js';
import { encodeStateHeader } from './state-header.js';
import { endOf } from './websocket-link.js';

/** What a replica hands over. */
export interface HeldState {
  /** May be a live view of the kernels' memory: it does not change while it is served. */
  readonly state: Uint8Array;
  readonly rows: Uint8Array;
}

/** Payload of one message, and of a sign of life: a slow connection takes a smaller one in time. */
export const STATE_CHUNK_BYTES = limits.ringSegmentBytes / 4;
/** Handed to the connection and not taken yet, at most (but for one chunk more). */
const MAX_IN_FLIGHT_BYTES = limits.ringSegmentBytes;

export interface StateSenderOptions {
  readonly clock: Clock;
  /** A receiver that takes nothing for so long is dropped. */
  readonly silenceMs: number;
  /** The receiver has everything, and has said so. */
  readonly onSent: (bytes: number) => void;
  /** The receiver was dropped for this. */
  readonly onMisbehaviour: (reason: RefusalReason) => void;
  /** Once: nothing of the state is read any more, and the connection is gone or going. */
  readonly onOver: () => void;
}

/**
 * Sends a state over a WebSocket that was accepted, from where it lies: the header, then chunk after chunk, a few of them
 * underway. The receiver says goodbye when it has all; until then it owes that it takes something now and then.
 */
export class StateSender {
  private readonly chunks: Iterator<Uint8Array, undefined>;
  private readonly watch: SilenceWatch<'receiver'>;
  private inFlightBytes = 0;
  /** Every chunk was handed to the connection. */
  private allOut = false;
  private over = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly held: HeldState,
    private readonly options: StateSenderOptions,
  ) {
    this.chunks = chunksOf(held);
    this.watch = new SilenceWatch(options.clock, [{ name: 'receiver', waiting: () => true }], () =>
      this.drop('deadline'),
    );
    socket.on('error', (error) => {
      const { cause } = endOf(error);
      if (cause === 'lost') this.end();
      else this.drop(cause);
    });
    for (const event of ['message', 'ping', 'pong'] as const) socket.on(event, () => this.drop('malformed'));
    socket.on('close', (code: number) => {
      const whole = this.allOut && code === 1000 && !this.over;
      this.end();
      if (whole) options.onSent(held.state.byteLength + held.rows.byteLength);
    });
  }

  start(): void {
    this.watch.start(this.options.silenceMs);
    const { state, rows } = this.held;
    this.send(encodeStateHeader({ stateBytes: state.byteLength, rowsBytes: rows.byteLength }));
    this.pump();
  }

  /** Ends the transfer at once. */
  destroy(): void {
    this.end();
  }

  private pump(): void {
    while (!this.allOut && !this.over && this.inFlightBytes < MAX_IN_FLIGHT_BYTES) {
      const { value } = this.chunks.next();
      if (value) this.send(value);
      else this.allOut = true;
    }
  }

  private send(bytes: Uint8Array): void {
    this.inFlightBytes += bytes.byteLength;
    this.socket.send(bytes, { binary: true }, (error) => {
      if (error) return; // the socket tells why
      this.inFlightBytes -= bytes.byteLength;
      this.watch.heard('receiver');
      this.pump();
    });
  }

  private drop(reason: RefusalReason): void {
    if (this.over) return;
    this.options.onMisbehaviour(reason);
    this.end();
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.watch.stop();
    this.socket.terminate();
    this.options.onOver();
  }
}

/** Views of the state, then of the rows; none is empty. */
function* chunksOf({ state, rows }: HeldState): Generator<Uint8Array, undefined> {
  for (const part of [state, rows])
    for (let start = 0; start < part.byteLength; start += STATE_CHUNK_BYTES)
      yield part.subarray(start, start + STATE_CHUNK_BYTES);
  return undefined;
}
