import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chunkStart,
  firstSegments,
  SegmentCursor,
  stepCount,
  type Direction,
  type RingPlan,
  type Segment,
} from '../../../worker/ring/schedule.js';

function walk(plan: RingPlan, direction: Direction): Segment[] {
  const segments: Segment[] = [];
  const cursor = new SegmentCursor(plan, direction);
  for (let segment = cursor.current; segment; segment = cursor.current) {
    segments.push(segment);
    cursor.advance();
  }
  return segments;
}

const elements = (segments: readonly Segment[]): number =>
  segments.reduce((sum, { count }) => sum + count, 0);

const world = fc.integer({ min: 1, max: 9 });
const shape = fc.record({
  world,
  length: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 3_000 })),
  segmentLength: fc.integer({ min: 1, max: 200 }),
});

describe('ring schedule', () => {
  test('the worked example', () => {
    const plan = { rank: 0, world: 3, length: 3, segmentLength: 10 };
    expect(walk(plan, 'out').map(({ offset, phase }) => [offset, phase])).toEqual([
      [0, 'reduce-scatter'],
      [2, 'reduce-scatter'],
      [1, 'all-gather'],
      [0, 'all-gather'],
    ]);
    expect(walk(plan, 'in').map(({ offset }) => offset)).toEqual([2, 1, 0, 2]);
  });

  test('a world of one has nothing to do', () => {
    const plan = { rank: 0, world: 1, length: 100, segmentLength: 7 };
    expect(stepCount(plan)).toBe(0);
    expect(firstSegments(plan)).toBe(0);
    expect(walk(plan, 'out')).toEqual([]);
    expect(walk(plan, 'in')).toEqual([]);
  });

  test('chunks cover the vector and differ by one element at most', () => {
    fc.assert(
      fc.property(shape, (sizes) => {
        const plan = { ...sizes, rank: 0 };
        expect(chunkStart(plan, 0)).toBe(0);
        expect(chunkStart(plan, plan.world)).toBe(plan.length);
        const counts = Array.from(
          { length: plan.world },
          (_, c) => chunkStart(plan, c + 1) - chunkStart(plan, c),
        );
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('what a rank sends is what its successor receives, segment for segment', () => {
    fc.assert(
      fc.property(shape, (sizes) => {
        for (let rank = 0; rank < sizes.world; rank++) {
          const sent = walk({ ...sizes, rank }, 'out');
          const received = walk({ ...sizes, rank: (rank + 1) % sizes.world }, 'in');
          expect(sent).toEqual(received);
        }
      }),
    );
  });

  test('what comes in goes out in the next step, so a segment may follow at once', () => {
    fc.assert(
      fc.property(shape, (sizes) => {
        for (let rank = 0; rank < sizes.world; rank++) {
          const plan = { ...sizes, rank };
          const outgoing = walk(plan, 'out');
          const incoming = walk(plan, 'in');
          const first = firstSegments(plan);
          expect(outgoing.slice(0, first).every(({ step }) => step === 0)).toBe(true);
          for (const [index, segment] of outgoing.slice(first).entries()) {
            const { step, offset, count } = incoming[index] ?? {};
            expect([step, offset, count]).toEqual([segment.step - 1, segment.offset, segment.count]);
          }
        }
      }),
    );
  });

  test('every element crosses 2(N - 1) links, and each rank sends 2(N - 1)/N of the vector', () => {
    fc.assert(
      fc.property(shape, (sizes) => {
        let all = 0;
        for (let rank = 0; rank < sizes.world; rank++) {
          const sent = elements(walk({ ...sizes, rank }, 'out'));
          const share = (2 * (sizes.world - 1) * sizes.length) / sizes.world;
          expect(Math.abs(sent - share)).toBeLessThanOrEqual(2);
          all += sent;
        }
        expect(all).toBe(2 * (sizes.world - 1) * sizes.length);
      }),
    );
  });

  test('no segment is empty or longer than the limit', () => {
    fc.assert(
      fc.property(shape, (sizes) => {
        for (const { count } of walk({ ...sizes, rank: sizes.world - 1 }, 'in')) {
          expect(count).toBeGreaterThan(0);
          expect(count).toBeLessThanOrEqual(sizes.segmentLength);
        }
      }),
    );
  });
});
