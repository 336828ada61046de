/**
 * Which part of a vector a rank sends and receives, and when. Arithmetic only: no sockets, no data.
 *
 * An all-reduce leaves the sum of all ranks' vectors at every rank. Three words:
 *
 *  - chunk: the vector is cut into as many chunks as there are ranks (the *world*, N);
 *  - segment: a chunk travels in segments of bounded size, so that one is summed while the next is on its way;
 *  - step: in each of 2(N - 1) steps every rank sends one chunk to its successor and receives one from its predecessor.
 *
 * Data flows one way only: rank r sends to r + 1 and receives from r - 1 (modulo N, as all ranks and chunks below).
 * In the first N - 1 steps, the *reduce-scatter*, what is received is added to what is there. In the last N - 1, the
 * *all-gather*, it replaces what is there. One rule covers both:
 *
 *     in step t, rank r sends chunk r - t and receives chunk r - t - 1
 *
 * Three ranks hold (a0 a1 a2), (b0 b1 b2), (c0 c1 c2). A sum in brackets is final:
 *
 *     step                 rank 0                 rank 1                 rank 2
 *     0  reduce-scatter    sends a0               sends b1               sends c2
 *                          a2 + c2                b0 + a0                c1 + b1
 *     1  reduce-scatter    sends a2 + c2          sends b0 + a0          sends c1 + b1
 *                          [a1 + c1 + b1]         [b2 + a2 + c2]         [c0 + b0 + a0]
 *     2  all-gather        sends chunk 1          sends chunk 2          sends chunk 0
 *                          has chunks 0, 1        has chunks 1, 2        has chunks 2, 0
 *     3  all-gather        sends chunk 0          sends chunk 1          sends chunk 2
 *                          has all three          has all three          has all three
 *
 * Two consequences that the rest of this folder leans on:
 *
 *  - What is received in step t is what is sent in step t + 1, segment for segment. So a segment may go out as soon as
 *    the same segment of the step before has come in; segments of step 0 may go out at once.
 *  - Each rank sends 2(N - 1)/N of the vector, whatever N is (to within two elements where N does not divide it).
 *
 * The algorithm is the bandwidth-optimal ring of Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for
 * clusters of workstations" (2009).
 */
export type RingPhase = 'reduce-scatter' | 'all-gather';
export type Direction = 'out' | 'in';

export interface RingPlan {
  readonly rank: number;
  readonly world: number;
  /** Elements of the vector; may be 0, or less than the world. */
  readonly length: number;
  /** Elements of a segment at most; the same for all ranks of a world. */
  readonly segmentLength: number;
}

/** `count` elements from `offset`, sent or received in `step`. Never empty. */
export interface Segment {
  readonly step: number;
  readonly phase: RingPhase;
  readonly offset: number;
  readonly count: number;
}

/** First element of `chunk`; chunkStart(N) is the vector's length. Sizes of chunks differ by one at most. */
export function chunkStart(plan: RingPlan, chunk: number): number {
  return Math.floor((chunk * plan.length) / plan.world);
}

export function stepCount(plan: RingPlan): number {
  return 2 * (plan.world - 1);
}

export function chunkOf(plan: RingPlan, direction: Direction, step: number): number {
  const back = direction === 'out' ? step : step + 1;
  return (((plan.rank - back) % plan.world) + plan.world) % plan.world;
}

export function phaseOf(plan: RingPlan, step: number): RingPhase {
  return step < plan.world - 1 ? 'reduce-scatter' : 'all-gather';
}

/** Segments that a rank may send before it has received anything: those of step 0. */
export function firstSegments(plan: RingPlan): number {
  if (stepCount(plan) === 0) return 0;
  const chunk = chunkOf(plan, 'out', 0);
  return Math.ceil((chunkStart(plan, chunk + 1) - chunkStart(plan, chunk)) / plan.segmentLength);
}

/** Walks the segments that a rank sends (or receives) in their order; both ends of a link walk the same ones. */
export class SegmentCursor {
  private step = -1;
  private offset = 0;
  private end = 0;
  private segment: Segment | undefined;

  constructor(
    private readonly plan: RingPlan,
    private readonly direction: Direction,
  ) {
    this.advance();
  }

  /** The segment whose turn it is; undefined after the last one. */
  get current(): Segment | undefined {
    return this.segment;
  }

  advance(): void {
    while (this.offset === this.end) {
      this.step++;
      if (this.step >= stepCount(this.plan)) {
        this.segment = undefined;
        return;
      }
      const chunk = chunkOf(this.plan, this.direction, this.step);
      this.offset = chunkStart(this.plan, chunk);
      this.end = chunkStart(this.plan, chunk + 1);
    }
    const count = Math.min(this.plan.segmentLength, this.end - this.offset);
    this.segment = {
      step: this.step,
      phase: phaseOf(this.plan, this.step),
      offset: this.offset,
      count,
    };
    this.offset += count;
  }
}
