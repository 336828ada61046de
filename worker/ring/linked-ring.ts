import { invariant, limits, OperationalError, type ErrorCode } from '../../proto/index.js';
import type { Clock } from './clock.js';
import { ELEMENT_BYTES, MAX_UINT32 } from './frame.js';
import type { IncomingLink, LinkEnd, OutgoingLink, SegmentTarget } from './link.js';
import { Reduction } from './reduction.js';
import type { RingPhase } from './schedule.js';
import {
  checkKey,
  RingError,
  type Neighbour,
  type ReduceOptions,
  type Ring,
  type RingProgress,
} from './ring.js';
import { SilenceWatch } from './silence-watch.js';

export interface LinkedRingOptions {
  readonly rank: number;
  readonly world: number;
  /** To the successor. */
  readonly outgoing: OutgoingLink;
  /** From the predecessor. */
  readonly incoming: IncomingLink;
  /** How to call the neighbours in an error. */
  readonly names: Readonly<Record<Neighbour, string>>;
  readonly clock: Clock;
  /** A neighbour that owes something and shows no sign of life for this long fails the ring. */
  readonly silenceMs: number;
  /** Called once when the ring fails by no doing of the caller, also between reductions. */
  readonly onFailure?: ((error: RingError) => void) | undefined;
  /** Told when a neighbour sends what does not belong here; the ring fails then, too. */
  readonly onMisbehaviour?: (reason: 'malformed' | 'oversize', name: string) => void;
  /** Called when a segment has come in and is where it belongs, with its phase and update. */
  readonly onSegment?: ((phase: RingPhase, update: number) => void) | undefined;
  /** While true no neighbour's silence counts; when it ends, silence counts from zero. */
  readonly suspended?: (() => boolean) | undefined;
  /** Payload of a segment at most; the same for all ranks. */
  readonly segmentBytes?: number;
  /** Bytes handed to the outgoing link and not taken yet, at most (but for one segment more). */
  readonly maxInFlightBytes?: number;
}

const DEFAULT_IN_FLIGHT_BYTES = 4 * limits.ringSegmentBytes;

interface Underway {
  readonly reduction: Reduction;
  readonly resolve: () => void;
  readonly reject: (error: RingError) => void;
  readonly dispose: () => void;
}

/** A ring of two or more over links of any kind. */
export class LinkedRing implements Ring {
  readonly rank: number;
  readonly world: number;
  private readonly segmentLength: number;
  private readonly maxInFlightBytes: number;
  private readonly watch: SilenceWatch<Neighbour>;
  private underway: Underway | undefined;
  private failed: RingError | undefined;
  /** What the ring fails with once the reduction underway is done: a neighbour left that was not needed any more. */
  private leaving: RingError | undefined;
  private successorLeft = false;
  private inFlightBytes = 0;
  private sentBytes = 0;
  private receivedBytes = 0;

  constructor(private readonly options: LinkedRingOptions) {
    const { rank, world, outgoing, incoming, clock } = options;
    invariant(world >= 2 && rank >= 0 && rank < world, 'a rank of a world of two or more');
    this.rank = rank;
    this.world = world;
    this.segmentLength = (options.segmentBytes ?? limits.ringSegmentBytes) / ELEMENT_BYTES;
    invariant(
      Number.isInteger(this.segmentLength) && this.segmentLength > 0,
      'a segment holds whole elements',
    );
    this.maxInFlightBytes = options.maxInFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES;
    const suspended = options.suspended ?? (() => false);
    // A successor that takes nothing stalls the whole ring, and with it the predecessor: so it is blamed first.
    this.watch = new SilenceWatch<Neighbour>(
      clock,
      [
        { name: 'successor', waiting: () => this.sending && !suspended() },
        { name: 'predecessor', waiting: () => this.receiving && !suspended() },
      ],
      (neighbour, silenceMs) =>
        this.fail('ring-deadline', `${options.names[neighbour]} was silent for ${silenceMs} ms`, neighbour),
    );
    outgoing.listen({ onEnd: (end) => this.ended('successor', end) });
    incoming.listen({
      onSegment: (header) => this.begin(header),
      onFilled: () => this.filled(),
      onEnd: (end) => this.ended('predecessor', end),
    });
  }

  get bytesSent(): number {
    return this.sentBytes;
  }

  get bytesReceived(): number {
    return this.receivedBytes;
  }

  get failure(): OperationalError | undefined {
    return this.failed;
  }

  allReduce(vector: Int32Array, { update, attempt, signal, silenceMs }: ReduceOptions): Promise<void> {
    invariant(!this.underway, 'one reduction at a time');
    invariant(vector.length <= MAX_UINT32, 'the vector has a length that a header can hold');
    checkKey({ update, attempt });
    if (this.failed) return Promise.reject(this.failed);
    const plan = {
      rank: this.rank,
      world: this.world,
      length: vector.length,
      segmentLength: this.segmentLength,
    };
    return new Promise((resolve, reject) => {
      const abort = (): void => this.fail('aborted', 'reduction aborted');
      this.underway = {
        reduction: new Reduction({ update, attempt }, plan, vector),
        resolve,
        reject,
        dispose: () => signal?.removeEventListener('abort', abort),
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort);
      this.watch.start(silenceMs ?? this.options.silenceMs);
      this.pump();
      this.options.incoming.resume();
    });
  }

  progress(): RingProgress {
    const { inFlightBytes } = this;
    if (!this.underway) return { reduction: undefined, lastIn: undefined, lastOut: undefined, inFlightBytes };
    const { key, lastIn, lastOut, phaseIn } = this.underway.reduction;
    return { reduction: { ...key, phase: phaseIn ?? 'draining' }, lastIn, lastOut, inFlightBytes };
  }

  close(): void {
    if (this.failed) return;
    if (this.underway) return this.fail('aborted', 'the ring was closed');
    this.failed = this.errorOf('aborted', 'the ring was closed');
    this.options.outgoing.close();
    this.options.incoming.close();
  }

  /** Where a segment that begins to come in goes; undefined while no reduction wants it. */
  private begin(header: Uint8Array): SegmentTarget | undefined {
    const reduction = this.underway?.reduction;
    // A predecessor that is ahead may have begun the next reduction: its segments wait in the link.
    if (!reduction || reduction.summed) return undefined;
    try {
      return reduction.begin(header);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      this.options.onMisbehaviour?.('malformed', this.options.names.predecessor);
      this.fail('protocol', `${this.options.names.predecessor}: ${error.message}`, 'predecessor');
      return undefined;
    }
  }

  private filled(): void {
    if (!this.underway) return;
    const { reduction } = this.underway;
    this.receivedBytes += reduction.filled();
    this.watch.heard('predecessor');
    // Whoever is told may close the ring, so it is told while nothing is half done.
    if (reduction.lastIn) this.options.onSegment?.(reduction.lastIn.phase, reduction.key.update);
    this.pump();
  }

  /** Gives out all that may go now. Runs whenever a segment came in, one was taken, or a reduction begins. */
  private pump(): void {
    if (!this.underway) return;
    const { reduction } = this.underway;
    while (this.inFlightBytes < this.maxInFlightBytes) {
      const segment = reduction.nextOut();
      if (!segment) break;
      const bytes = segment.payload.byteLength;
      this.inFlightBytes += bytes;
      this.sentBytes += bytes;
      this.options.outgoing.send(segment.header, segment.payload, () => {
        this.inFlightBytes -= bytes;
        this.watch.heard('successor');
        this.pump();
      });
    }
    if (reduction.summed && reduction.allOut && !this.sending) this.finish();
  }

  /** The successor has yet to take something. */
  private get sending(): boolean {
    return this.inFlightBytes > 0 && !this.successorLeft;
  }

  /** The predecessor has yet to send something. */
  private get receiving(): boolean {
    return this.underway?.reduction.summed === false;
  }

  private settle(): Underway | undefined {
    const { underway } = this;
    this.underway = undefined;
    this.watch.stop();
    underway?.dispose();
    return underway;
  }

  private finish(): void {
    this.settle()?.resolve();
    if (this.leaving) this.failWith(this.leaving);
  }

  private ended(neighbour: Neighbour, { cause, detail }: LinkEnd): void {
    if (cause !== 'lost') this.options.onMisbehaviour?.(cause, this.options.names[neighbour]);
    const error = this.errorOf(
      cause === 'lost' ? 'ring-peer-lost' : 'protocol',
      `${this.options.names[neighbour]}: ${detail}`,
      neighbour,
    );
    const reduction = this.underway?.reduction;
    const done = neighbour === 'predecessor' ? reduction?.summed : reduction?.allOut;
    if (!done) return this.failWith(this.leaving ?? error);
    // A neighbour that has its sum may well have gone home. The reduction needs nothing from this one any more, so it can
    // still succeed, and the ring fails after it. Had the neighbour died instead, the other link would end soon.
    this.leaving ??= error;
    if (neighbour === 'successor') this.successorLeft = true;
    this.pump();
  }

  private errorOf(code: ErrorCode, message: string, neighbour?: Neighbour): RingError {
    return new RingError(code, message, neighbour, this.progress());
  }

  private fail(code: ErrorCode, message: string, neighbour?: Neighbour): void {
    this.failWith(this.errorOf(code, message, neighbour));
  }

  private failWith(error: RingError): void {
    if (this.failed) return;
    this.failed = error;
    this.options.outgoing.destroy();
    this.options.incoming.destroy();
    this.settle()?.reject(error);
    if (error.code !== 'aborted') this.options.onFailure?.(error);
  }
}
