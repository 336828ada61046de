import type { Clock } from '../../../worker/ring/clock.js';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A clock that a test moves on. */
export class ManualClock implements Clock {
  private timeMs = 0;
  private readonly timers = new Set<Timer>();
  private readonly turns: (() => void)[] = [];

  nowMs(): number {
    return this.timeMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.timeMs + delayMs, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  afterTurn(callback: () => void): void {
    this.turns.push(callback);
  }

  get timerCount(): number {
    return this.timers.size;
  }

  /** Lets time pass with a free event loop: every timer runs when it is due, and turns follow. */
  advance(ms: number): void {
    const endMs = this.timeMs + ms;
    for (;;) {
      this.turn();
      const due = [...this.timers].filter((timer) => timer.dueMs <= endMs);
      const next = due.sort((a, b) => a.dueMs - b.dueMs)[0];
      if (!next) break;
      this.timeMs = Math.max(this.timeMs, next.dueMs);
      this.timers.delete(next);
      next.callback();
    }
    this.timeMs = endMs;
  }

  /** Lets time pass with a blocked event loop: what became due runs late, all at once, and no turn was had. */
  block(ms: number): void {
    this.timeMs += ms;
    const due = [...this.timers].filter((timer) => timer.dueMs <= this.timeMs);
    for (const timer of due.sort((a, b) => a.dueMs - b.dueMs)) {
      if (!this.timers.delete(timer)) continue;
      timer.callback();
    }
  }

  turn(): void {
    for (const callback of this.turns.splice(0)) callback();
  }
}
