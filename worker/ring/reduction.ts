import { invariant } from '../../proto/index.js';
import { checkFrame, decodeHeader, ELEMENT_BYTES, encodeHeader, type FrameHeader } from './frame.js';
import type { SegmentTarget } from './link.js';
import { firstSegments, SegmentCursor, type RingPlan, type Segment } from './schedule.js';

/** Which all-reduce: the same at all ranks. */
export interface ReductionKey {
  readonly update: number;
  readonly attempt: number;
}

/** Where a segment stands in the schedule: told on a deadline, for blame. */
export interface SegmentPlace {
  readonly phase: Segment['phase'];
  readonly step: number;
  readonly offset: number;
}

/**
 * One all-reduce of one vector as seen by one rank; knows no connection. Segments received go in, segments to send come
 * out, and the vector is the sum in the end.
 *
 * Segments to send are views of the vector, not copies, although the vector changes: nothing overwrites a segment that
 * a connection may still have to read. In the reduce-scatter a chunk is written (once) before it is sent. The all-gather
 * writes over chunks sent before, but what it writes there is the final sum, which contains the very segment that was
 * sent: had it not left, the final sum could not exist. What the all-gather sends is final. Only the caller's use of the vector
 * after the reduction must wait until all of it was taken; the ring sees to that.
 */
export class Reduction {
  private readonly outgoing: SegmentCursor;
  private readonly incoming: SegmentCursor;
  private readonly bytes: Uint8Array;
  /** Segments that may go out before another comes in. */
  private credit: number;
  private sent: SegmentPlace | undefined;
  private received: SegmentPlace | undefined;

  constructor(
    readonly key: ReductionKey,
    private readonly plan: RingPlan,
    private readonly vector: Int32Array,
  ) {
    invariant(vector.length === plan.length, 'the plan fits the vector');
    this.outgoing = new SegmentCursor(plan, 'out');
    this.incoming = new SegmentCursor(plan, 'in');
    this.bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
    this.credit = firstSegments(plan);
  }

  get lastOut(): SegmentPlace | undefined {
    return this.sent;
  }

  get lastIn(): SegmentPlace | undefined {
    return this.received;
  }

  /** Phase of the segment that is to come in next; undefined when all have. */
  get phaseIn(): Segment['phase'] | undefined {
    return this.incoming.current?.phase;
  }

  /** All segments have come in: the vector is the sum. */
  get summed(): boolean {
    return this.incoming.current === undefined;
  }

  /** All segments were given out for sending. */
  get allOut(): boolean {
    return this.outgoing.current === undefined;
  }

  /** The next segment to send, or undefined when none may go out now. */
  nextOut(): { readonly header: Uint8Array; readonly payload: Uint8Array } | undefined {
    const segment = this.outgoing.current;
    if (!segment || this.credit === 0) return undefined;
    this.credit--;
    this.outgoing.advance();
    this.sent = segment;
    const start = segment.offset * ELEMENT_BYTES;
    return {
      header: encodeHeader(this.headerOf(segment)),
      payload: this.bytes.subarray(start, start + segment.count * ELEMENT_BYTES),
    };
  }

  /**
   * A segment has begun to come in: where its payload goes. `filled` is due once it is there.
   * Throws OperationalError 'protocol' unless it is exactly the one whose turn it is.
   */
  begin(header: Uint8Array): SegmentTarget {
    const segment = this.incoming.current;
    invariant(segment, 'segments begin only while some are expected');
    checkFrame(decodeHeader(header), this.headerOf(segment));
    const into = this.vector.subarray(segment.offset, segment.offset + segment.count);
    return { kind: segment.phase === 'reduce-scatter' ? 'add' : 'copy', into };
  }

  /** @returns the bytes of the segment that has come in */
  filled(): number {
    const segment = this.incoming.current;
    invariant(segment, 'a segment is filled after it has begun');
    this.incoming.advance();
    this.credit++;
    this.received = segment;
    return segment.count * ELEMENT_BYTES;
  }

  private headerOf({ phase, step, offset, count }: Segment): FrameHeader {
    const { update, attempt } = this.key;
    return { phase, update, attempt, step, offset, count, length: this.plan.length };
  }
}
