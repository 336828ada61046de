const FRESH = 0.1;
/** So many updates' time may a neighbour be silent, within bounds. */
const UPDATES = 40;
const FLOOR_MS = 1_500;
const CEILING_MS = 60_000;
/** While nothing was measured: engines are slow at first. */
const FIRST_MS = 20_000;

/** How long this replica's updates take, smoothed; the ring's deadline follows it. */
export class UpdatePace {
  private smoothedMs: number | null = null;

  /** An update took so long, waiting for the others included. */
  measured(ms: number): void {
    this.smoothedMs = this.smoothedMs === null ? ms : this.smoothedMs + FRESH * (ms - this.smoothedMs);
  }

  /** A neighbour that is waited for and shows no sign of life for so long is given up. */
  silenceMs(): number {
    if (this.smoothedMs === null) return FIRST_MS;
    return Math.min(CEILING_MS, Math.max(FLOOR_MS, UPDATES * this.smoothedMs));
  }
}
