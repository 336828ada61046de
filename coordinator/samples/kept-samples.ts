/**
 * Which samples stay when there is room for `limit`, ascending: the first, the newest, and of those between them the
 * ones of highest rank. Ends of passes rank before all others; within each of the two, steps that more powers of two
 * divide; among those, the earlier.
 *
 * So ends of passes are thinned as a ruler is: with 100 steps a pass and room for 5, passes 1 to 5 become 1 2 3 4 6,
 * then 1 2 4 6 7, 1 2 4 6 8, 1 2 4 8 9 and so on. Distances differ by a factor of two at most (not counting the first
 * and the newest), and are smaller where the pictures change more, early. Because the rank of a step never changes,
 * thinning as samples come and thinning all at once keep the same ones, so a resumed run shows what an unbroken one does.
 *
 * @param steps ascending, each once, above 0
 * @param limit 2 or more
 */
export function keptSamples(
  steps: readonly number[],
  limit: number,
  stepsPerPass: number,
): readonly number[] {
  if (steps.length <= limit) return steps;
  const byRank = steps.slice(1, -1).sort((a, b) => compareRanks(a, b, stepsPerPass));
  const kept = new Set([...steps.slice(0, 1), ...byRank.slice(0, limit - 2), ...steps.slice(-1)]);
  return steps.filter((step) => kept.has(step));
}

function compareRanks(a: number, b: number, stepsPerPass: number): number {
  const ends = Number(isPassEnd(b, stepsPerPass)) - Number(isPassEnd(a, stepsPerPass));
  return ends || powersOfTwo(b) - powersOfTwo(a) || a - b;
}

export const isPassEnd = (step: number, stepsPerPass: number): boolean => step % stepsPerPass === 0;

/** How often 2 divides a number above 0. */
function powersOfTwo(value: number): number {
  let count = 0;
  for (let rest = value; rest % 2 === 0; rest /= 2) count++;
  return count;
}
