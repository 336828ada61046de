import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseWorld, isCut, type CutLink } from '../../../coordinator/ring-order.js';

const cut = (a: string, b: string): CutLink => ({ a, b, untilMs: 0 });
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `w${i}`);

/** Members, and links between some two of them. */
const rings = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 10 }))
  .map(([count, pairs]) => ({
    members: names(count),
    cuts: pairs.filter(([a, b]) => a !== b).map(([a, b]) => cut(`w${a}`, `w${b}`)),
  }));

/** An order without a cut link between neighbours exists, by trying all. */
function possible(members: readonly string[], cuts: readonly CutLink[]): boolean {
  const [first = '', ...others] = members;
  const extend = (last: string, rest: readonly string[]): boolean =>
    rest.length === 0
      ? !isCut(cuts, last, first)
      : rest.some(
          (next) =>
            !isCut(cuts, last, next) &&
            extend(
              next,
              rest.filter((id) => id !== next),
            ),
        );
  return extend(first, others);
}

describe('the order of a ring', () => {
  it('never has two neighbours with a cut link between them', () => {
    fc.assert(
      fc.property(rings, fc.integer({ min: 1, max: 8 }), ({ members, cuts }, size) => {
        const world = chooseWorld(members, size, cuts);
        expect(world.length).toBeGreaterThan(0);
        expect(world.length).toBeLessThanOrEqual(size);
        expect(new Set(world).size).toBe(world.length);
        for (const [i, id] of world.entries()) {
          expect(members).toContain(id);
          expect(isCut(cuts, id, world[(i + 1) % world.length] ?? '')).toBe(false);
        }
      }),
    );
  });

  it('is the order in which they came, without cuts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (count, size) => {
        expect(chooseWorld(names(count), size, [])).toEqual(names(count).slice(0, size));
      }),
    );
  });

  it('leaves nobody out where an order exists', () => {
    fc.assert(
      fc.property(rings, ({ members, cuts }) => {
        if (possible(members, cuts))
          expect([...chooseWorld(members, members.length, cuts)].sort()).toEqual(members);
      }),
    );
  });

  it('changes no more than it has to', () => {
    expect(chooseWorld(['a', 'b', 'c', 'd'], 4, [cut('c', 'd')])).toEqual(['a', 'c', 'b', 'd']);
    expect(chooseWorld(['a', 'b', 'c', 'd'], 4, [cut('a', 'c')])).toEqual(['a', 'b', 'c', 'd']);
  });

  it('knows a cut link from both ends', () => {
    expect(isCut([cut('a', 'b')], 'b', 'a')).toBe(true);
    expect(isCut([cut('a', 'b')], 'a', 'c')).toBe(false);
  });
});

describe('where no order exists', () => {
  it('the newest that has a cut link gives way', () => {
    expect(chooseWorld(['a', 'b', 'c'], 3, [cut('a', 'b')])).toEqual(['a', 'c']);
    expect(chooseWorld(['a', 'b'], 2, [cut('a', 'b')])).toEqual(['a']);
  });

  it('it gives way to a spare', () => {
    expect(chooseWorld(['a', 'b', 'c', 'd'], 3, [cut('a', 'b')])).toEqual(['a', 'c', 'd']);
  });

  it('one that no link holds to gives way alone', () => {
    const alone = ['a', 'b', 'c', 'e'].map((id) => cut('d', id));
    expect(chooseWorld(['a', 'b', 'c', 'd'], 4, alone)).toEqual(['a', 'b', 'c']);
  });

  it('it is found soon, also among many', () => {
    const members = names(40);
    const cuts = members.slice(0, -1).map((id) => cut('w39', id));
    expect(chooseWorld(members, 40, cuts)).toEqual(names(39));
  });
});
