/** Span over which the rate is taken: long enough to be steady, short enough to follow a change. */
const WINDOW_MS = 5_000;

/** Steps a second over the last few seconds. Time is an argument. */
export class RateMeter {
  private readonly samples: { atMs: number; steps: number }[] = [];

  record(atMs: number, steps: number): void {
    this.samples.push({ atMs, steps });
    while ((this.samples[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) this.samples.shift();
  }

  /** Begins anew: what came before tells nothing of what follows. */
  restart(): void {
    this.samples.length = 0;
  }

  /** Null until two samples lie apart. */
  stepsPerSecond(): number | null {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last.atMs - first.atMs < 200) return null;
    return ((last.steps - first.steps) * 1000) / (last.atMs - first.atMs);
  }
}
