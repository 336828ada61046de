import { invariant, OperationalError, type ErrorCode } from '../../proto/index.js';
import type { ReductionKey, SegmentPlace } from './reduction.js';

/** Where a rank stands; on a deadline the coordinator compares what all ranks tell and finds whom to blame. */
export interface RingProgress {
  /** Absent between reductions. */
  readonly reduction:
    (ReductionKey & { readonly phase: 'reduce-scatter' | 'all-gather' | 'draining' }) | undefined;
  /** The newest segments received from the predecessor and handed over for the successor in this reduction. */
  readonly lastIn: SegmentPlace | undefined;
  readonly lastOut: SegmentPlace | undefined;
  /** Payload bytes handed over for the successor and not taken by its connection yet. */
  readonly inFlightBytes: number;
}

export interface ReduceOptions extends ReductionKey {
  /** Gives the reduction up, and with it the ring. */
  readonly signal?: AbortSignal | undefined;
  /** Overrides the ring's deadline, so that it can follow the measured time of a step. */
  readonly silenceMs?: number | undefined;
}

/** One rank's place in the ring of one ring epoch. */
export interface Ring {
  readonly rank: number;
  readonly world: number;
  /** Payload bytes of segments since the ring was opened: 2(N - 1)/N of each vector, each way. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Why the ring can no longer be used; undefined while it can. */
  readonly failure: OperationalError | undefined;

  /**
   * Sums `vector` over all ranks, in place, wrapping at 32 bits. All ranks call it in the same order with the same length
   * and key. The vector must not be touched, nor its memory grow, until the promise settles.
   *
   * Rejects with RingError: 'ring-peer-lost' when a link ends, 'ring-deadline' when a neighbour that is waited for is silent
   * for too long, 'protocol' when a neighbour sends something else than the one segment that may come now, 'aborted' after
   * an abort or a close. The vector is worthless then, and so is the ring: every later call rejects with the same error.
   */
  allReduce(vector: Int32Array, options: ReduceOptions): Promise<void>;

  progress(): RingProgress;

  /** Says goodbye to both neighbours and frees the connections; fails a reduction underway with 'aborted'. */
  close(): void;
}

export type Neighbour = 'predecessor' | 'successor';

/** A failure of the ring, or to open it, with what is needed to find out whose it is. */
export class RingError extends OperationalError {
  override readonly name = 'RingError';
  constructor(
    code: ErrorCode,
    message: string,
    /** The neighbour that was lost, silent or wrong; undefined for an abort, and for this worker's own fault. */
    readonly neighbour: Neighbour | undefined,
    /** Absent when the ring has never been open. */
    readonly progress?: RingProgress,
    options?: ErrorOptions,
  ) {
    super(code, progress ? `${message} (${describeProgress(progress)})` : message, options);
  }
}

export function describeProgress({ reduction, lastIn, lastOut, inFlightBytes }: RingProgress): string {
  if (!reduction) return 'between reductions';
  const place = (of: SegmentPlace | undefined): string =>
    of ? `${of.phase} step ${of.step} offset ${of.offset}` : 'none';
  return `update ${reduction.update} attempt ${reduction.attempt}, ${reduction.phase}; last segment in: ${place(lastIn)}; last out: ${place(lastOut)}; ${inFlightBytes} bytes underway`;
}

/** A world of one: the vector is the sum already. */
export class SoloRing implements Ring {
  readonly rank = 0;
  readonly world = 1;
  readonly bytesSent = 0;
  readonly bytesReceived = 0;
  failure: OperationalError | undefined;

  allReduce(_vector: Int32Array, { signal }: ReduceOptions): Promise<void> {
    if (signal?.aborted) this.fail('reduction aborted');
    return this.failure ? Promise.reject(this.failure) : Promise.resolve();
  }

  progress(): RingProgress {
    return { reduction: undefined, lastIn: undefined, lastOut: undefined, inFlightBytes: 0 };
  }

  close(): void {
    this.fail('the ring was closed');
  }

  private fail(message: string): void {
    this.failure ??= new RingError('aborted', message, undefined, this.progress());
  }
}

/** Fails on what could only be a mistake of the caller. */
export function checkKey({ update, attempt }: ReductionKey): void {
  invariant(Number.isInteger(update) && update >= 0 && update <= 0xffff_ffff, 'an update is a uint32');
  invariant(Number.isInteger(attempt) && attempt >= 0 && attempt <= 0xffff, 'an attempt is a uint16');
}
