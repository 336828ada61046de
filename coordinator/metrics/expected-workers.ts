/** A lost worker is expected to come back for so long. */
const EXPECTED_MS = 600_000;

/** What there is to know of a worker. */
export interface KnownWorker {
  readonly name: string;
  readonly ready: boolean;
  /** It has asked to be let go. */
  readonly leaving: boolean;
}

/**
 * Workers that should be there: whoever joined and has not said goodbye. One that was lost is expected for ten minutes more,
 * so that the alarm for it ends when nobody brings it back. Counted by name, which stays when a worker is started again.
 */
export class ExpectedWorkers {
  /** Names, and since when each is missing; null for those that are there. */
  private readonly expected = new Map<string, number | null>();

  observe(workers: Iterable<KnownWorker>, nowMs: number): void {
    const here = new Map<string, KnownWorker>();
    for (const worker of workers) {
      // Two processes of one name: one that is being started again counts as there.
      const other = here.get(worker.name);
      if (other === undefined || other.leaving || !other.ready) here.set(worker.name, worker);
    }
    for (const [name, worker] of here) {
      if (worker.leaving) this.expected.delete(name);
      else if (worker.ready) this.expected.set(name, null);
    }
    for (const [name, missingMs] of this.expected) {
      if (here.has(name)) continue;
      if (missingMs === null) this.expected.set(name, nowMs);
      else if (nowMs - missingMs >= EXPECTED_MS) this.expected.delete(name);
    }
  }

  get count(): number {
    return this.expected.size;
  }
}
