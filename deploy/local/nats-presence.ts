import type { Bus } from '../../proto/runtime/bus.js';
import type { ProcessEnd } from './supervised-process.js';

const WRONG_USE = 2;
/** Longer than a round trip to a server on this machine or near it; what has not come by then is not waited for. */
const FLUSH_TIMEOUT_MS = 1_000;

/** Whether NATS is there, as the launcher's own connection shows. */
export class NatsPresence {
  private away = false;
  private lastAwayMs = Number.NEGATIVE_INFINITY;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly bus: Bus,
    nowMs: () => number,
  ) {
    bus.onConnection((up) => {
      this.away = !up;
      this.lastAwayMs = nowMs();
      if (up) for (const go of this.waiting.splice(0)) go();
    });
  }

  /**
   * The exit status to judge a process by. One that finds no NATS ends as if it had been used wrongly, which says nothing
   * about itself when NATS was away at some time in its life: then it is null.
   */
  statusToJudge({ status }: ProcessEnd, startedMs: number): number | null {
    const mayHaveMissedNats = this.away || this.lastAwayMs >= startedMs;
    return status === WRONG_USE && mayHaveMissedNats ? null : status;
  }

  /** Resolves when NATS is there, or `signal` is aborted. */
  async there(signal?: AbortSignal): Promise<void> {
    if (!this.away || signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Resolves when what others have published until now has come, or cannot come. */
  async caughtUp(): Promise<void> {
    if (this.away) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, FLUSH_TIMEOUT_MS)));
    // It rejects when the connection is lost.
    await Promise.race([this.bus.flush().catch(() => undefined), timeout]);
    clearTimeout(timer);
  }
}
