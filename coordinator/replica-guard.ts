/** Fingerprints that have come in for one update, by worker. */
export type FingerprintBook = ReadonlyMap<number, ReadonlyMap<string, string>>;

export interface GuardOutcome {
  readonly book: FingerprintBook;
  /** Updates on whose fingerprint the whole world agrees now. */
  readonly agreed: readonly number[];
  /** The first update at which two workers differ, with who said what. */
  readonly mismatch: { readonly update: number; readonly fingerprints: ReadonlyMap<string, string> } | null;
}

/** Whether a replica has passed `update` without telling of its state there. */
export const tellsNoMore = (
  book: FingerprintBook,
  update: number,
  told: { readonly workerId: string; readonly nextUpdate: number },
): boolean => told.nextUpdate > update && book.get(update)?.has(told.workerId) !== true;

/** Updates whose fingerprints are kept while some worker's is missing. */
const MAX_OPEN_UPDATES = 64;

/**
 * Takes in one worker's fingerprints and compares them with the others'. Pure. A majority proves nothing (a corrupt
 * worker's gradient is in everyone's sum), so a mismatch names all sides and blames none.
 */
export function compareFingerprints(
  book: FingerprintBook,
  world: readonly string[],
  workerId: string,
  reported: readonly { readonly update: number; readonly fingerprint: string }[],
): GuardOutcome {
  const next = new Map(book);
  const agreed: number[] = [];
  for (const { update, fingerprint } of reported) {
    const known = new Map(next.get(update) ?? []).set(workerId, fingerprint);
    if (new Set(known.values()).size > 1)
      return { book: next, agreed, mismatch: { update, fingerprints: known } };
    if (world.every((id) => known.has(id))) {
      next.delete(update);
      agreed.push(update);
    } else {
      next.set(update, known);
    }
  }
  for (const update of [...next.keys()]
    .sort((a, b) => a - b)
    .slice(0, Math.max(0, next.size - MAX_OPEN_UPDATES))) {
    next.delete(update);
  }
  return { book: next, agreed, mismatch: null };
}
