/** When each worker, by name, failed lately. */
export type Strikes = ReadonlyMap<string, readonly number[]>;

/** A failure is forgotten after this long. */
const MEMORY_MS = 600_000;
const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/** Notes a failure and forgets old ones. */
export function addStrike(strikes: Strikes, name: string, nowMs: number): Strikes {
  const lately = (strikes.get(name) ?? []).filter((atMs) => nowMs - atMs < MEMORY_MS);
  return new Map(strikes).set(name, [...lately, nowMs]);
}

export const strikesOf = (strikes: Strikes, name: string): number => strikes.get(name)?.length ?? 0;

/**
 * For how long a worker is kept out after its newest failure: not at all after the first, since most that die are started
 * again and well; then 1, 2, 4 ... 60 s, since each of its failures stops everybody.
 */
export function keepOutMs(strikes: Strikes, name: string): number {
  const count = strikesOf(strikes, name);
  return count < 2 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (count - 2));
}
