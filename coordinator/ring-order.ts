/** Two workers between whom no connection holds, and until when that is believed. */
export interface CutLink {
  readonly a: string;
  readonly b: string;
  readonly untilMs: number;
}

export const isCut = (cuts: readonly CutLink[], x: string, y: string): boolean =>
  cuts.some(({ a, b }) => (a === x && b === y) || (a === y && b === x));

/** Ways tried to order a ring before it is called impossible: cut links are few, so the first ways do. */
const MAX_TRIES = 10_000;

/**
 * Chooses a world of at most `size` members and its ring order, so that no two neighbours have a cut link between them. Keeps
 * the candidates' order where it can. Where no order does, the newest that has a cut link gives way, to a spare if there
 * is one.
 * @param candidates longest known first
 */
export function chooseWorld(
  candidates: readonly string[],
  size: number,
  cuts: readonly CutLink[],
): readonly string[] {
  let pool = [...candidates];
  for (;;) {
    const world = pool.slice(0, size);
    const order = orderRing(world, cuts);
    if (order !== null) return order;
    const newest = world.findLast((id) => world.some((other) => isCut(cuts, id, other)));
    pool = pool.filter((id) => id !== newest);
  }
}

/** An order of `members` in a ring without a cut link between neighbours, the first in their own order; null when there is none. */
function orderRing(members: readonly string[], cuts: readonly CutLink[]): readonly string[] | null {
  const [first, ...others] = members;
  if (first === undefined || cuts.length === 0) return members;
  let tries = 0;
  const extend = (path: readonly string[], rest: readonly string[]): readonly string[] | null => {
    const last = path[path.length - 1] ?? first;
    if (rest.length === 0) return isCut(cuts, last, first) ? null : path;
    for (const next of rest) {
      if (isCut(cuts, last, next)) continue;
      if (++tries > MAX_TRIES) return null;
      const found = extend(
        [...path, next],
        rest.filter((id) => id !== next),
      );
      if (found !== null) return found;
    }
    return null;
  };
  return extend([first], others);
}
