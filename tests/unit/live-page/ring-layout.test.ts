import { describe, expect, it } from 'vitest';
import { fitting, RING_HEIGHT, RING_WIDTH, ringLayout } from '../../../dashboards/live-page/state/index.js';

const COUNTS = [1, 2, 3, 4, 5, 8, 9, 16, 32, 64, 1_024];

describe('the ring as it is drawn', () => {
  it('is empty without workers', () => {
    expect(ringLayout(0)).toMatchObject({ places: [], arrows: [] });
  });

  it('begins at the top and goes clockwise', () => {
    const places = ringLayout(4).places.map(({ x, y }) => [Math.sign(x), Math.sign(y)]);
    expect(places).toEqual([
      [0, -1],
      [1, 0],
      [0, 1],
      [-1, 0],
    ]);
  });

  it.each(COUNTS)('keeps %i nodes apart and inside the drawing', (count) => {
    const { places, nodeRadius } = ringLayout(count);
    expect(places).toHaveLength(count);
    for (const [i, { x, y }] of places.entries()) {
      expect(Math.abs(x) + nodeRadius).toBeLessThan(RING_WIDTH / 2);
      expect(Math.abs(y) + nodeRadius).toBeLessThan(RING_HEIGHT / 2);
      const next = places[(i + 1) % count];
      // Above some hundred workers the nodes are as small as can be seen, and overlap.
      if (count === 1 || count > 100 || next === undefined) continue;
      expect(Math.hypot(next.x - x, next.y - y)).toBeGreaterThan(2 * nodeRadius);
    }
  });

  it.each(COUNTS.filter((count) => count <= 16))(
    'keeps the labels of %i nodes inside the drawing',
    (count) => {
      for (const { y, labelY } of ringLayout(count).places) {
        expect(y + labelY - 12).toBeGreaterThanOrEqual(-RING_HEIGHT / 2);
        expect(y + labelY + 18).toBeLessThanOrEqual(RING_HEIGHT / 2);
      }
    },
  );

  it('has an arrow from each to its successor, or one for all where there is no room', () => {
    expect(ringLayout(1).arrows).toHaveLength(0);
    expect(ringLayout(2).arrows).toHaveLength(2);
    expect(ringLayout(8).arrows).toHaveLength(8);
    expect(ringLayout(256).arrows).toHaveLength(1);
  });

  it('writes less the more workers there are', () => {
    expect(COUNTS.map((count) => ringLayout(count).labels)).toEqual([
      ...new Array<string>(6).fill('full'),
      'name',
      'name',
      'none',
      'none',
      'none',
    ]);
  });

  it('cuts long names', () => {
    expect(fitting('worker-3', 15)).toBe('worker-3');
    expect(fitting('a-very-long-worker-name', 10)).toBe('a-very-lo…');
  });
});
