const FRESH = 0.2;
/** So many updates' time may a neighbour be silent, within bounds. */
const UPDATES = 40;
const FLOOR_MS = 1_500;
const CEILING_MS = 60_000;

/** How long this replica's updates take, smoothed; the ring's deadline follows it. */
export class UpdatePace {
  private smoothedMs: number;

  /** @param estimateMs until something was measured: rather too long than too short */
  constructor(estimateMs: number) {
    this.smoothedMs = estimateMs;
  }

  /** An update took so long, waiting for the others included. */
  measured(ms: number): void {
    this.smoothedMs += FRESH * (ms - this.smoothedMs);
  }

  /** A neighbour that is waited for and shows no sign of life for so long is given up. */
  silenceMs(): number {
    return Math.min(CEILING_MS, Math.max(FLOOR_MS, UPDATES * this.smoothedMs));
  }
}
