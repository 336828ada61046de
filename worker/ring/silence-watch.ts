import type { Clock } from './clock.js';

/** Something that may fall silent. */
export interface Lane<Name extends string> {
  readonly name: Name;
  /** Whether a sign of life is due: silence counts only then. */
  readonly waiting: () => boolean;
}

const TICKS = 8;

/**
 * Tells when a lane has been silent for too long, measured by time in which this process could have heard it.
 *
 * The event loop stands still while a shard is computed, or while the whole process is stopped; what arrives then waits
 * in the kernel. So silence is summed up tick by tick, no tick counts for more than its length however late it comes,
 * and before the verdict the loop is given a turn to read what is already there.
 */
export class SilenceWatch<Name extends string> {
  private readonly silentMs = new Map<Name, number>();
  private silenceMs = 0;
  private cancelTick: (() => void) | undefined;

  /**
   * @param lanes the first of several silent ones is the one told
   * @param onSilent called once per start at most; the watch has stopped then
   */
  constructor(
    private readonly clock: Clock,
    private readonly lanes: readonly Lane<Name>[],
    private readonly onSilent: (lane: Name, silenceMs: number) => void,
  ) {}

  /** Begins anew with all lanes just heard; tells of silence after `silenceMs`, an eighth of it later at most. */
  start(silenceMs: number): void {
    this.stop();
    this.silenceMs = silenceMs;
    this.silentMs.clear();
    this.schedule();
  }

  /** A sign of life. */
  heard(lane: Name): void {
    this.silentMs.set(lane, 0);
  }

  stop(): void {
    this.cancelTick?.();
    this.cancelTick = undefined;
  }

  private schedule(): void {
    const tickMs = this.silenceMs / TICKS;
    const startedMs = this.clock.nowMs();
    const cancel = this.clock.after(tickMs, () => {
      const passedMs = Math.min(this.clock.nowMs() - startedMs, tickMs);
      for (const lane of this.lanes) {
        const before = this.silentMs.get(lane.name) ?? 0;
        this.silentMs.set(lane.name, before + passedMs);
      }
      this.forgetIdle();
      if (this.silentLane() === undefined) return this.schedule();
      this.clock.afterTurn(() => {
        if (this.cancelTick !== cancel) return; // stopped, or started anew
        this.forgetIdle();
        const silent = this.silentLane();
        if (silent === undefined) return this.schedule();
        this.stop();
        this.onSilent(silent.name, this.silenceMs);
      });
    });
    this.cancelTick = cancel;
  }

  /** What is not waited for begins anew when it is. */
  private forgetIdle(): void {
    for (const lane of this.lanes) if (!lane.waiting()) this.silentMs.set(lane.name, 0);
  }

  private silentLane(): Lane<Name> | undefined {
    // Sums of eighths may fall short of the whole by a rounding error.
    return this.lanes.find((lane) => (this.silentMs.get(lane.name) ?? 0) >= this.silenceMs * 0.999);
  }
}
