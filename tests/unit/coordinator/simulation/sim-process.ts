import type { Timeline, Timer } from './timeline.js';

/**
 * A process, or a thread of one: what it is to do waits while it is stopped, as signals and sockets do, and is lost when it
 * is gone.
 */
export class SimProcess {
  private state: 'running' | 'stopped' | 'gone' = 'running';
  private stoppedMs = 0;
  private backlog: (() => void)[] = [];

  constructor(
    private readonly timeline: Timeline,
    private readonly parent: SimProcess | null = null,
  ) {}

  get isGone(): boolean {
    return this.state === 'gone' || this.parent?.isGone === true;
  }

  get isStopped(): boolean {
    return this.state === 'stopped' || this.parent?.isStopped === true;
  }

  get isRunning(): boolean {
    return this.state === 'running' && (this.parent === null || this.parent.isRunning);
  }

  /** For how long it has stood still, its parent's standstill left out. */
  get silentMs(): number {
    return this.state === 'stopped' ? this.timeline.nowMs - this.stoppedMs : 0;
  }

  do(action: () => void): void {
    if (this.parent !== null && !this.parent.isRunning) return this.parent.do(() => this.do(action));
    if (this.state === 'running') action();
    else if (this.state === 'stopped') this.backlog.push(action);
  }

  after(ms: number, action: () => void): Timer {
    let cancelled = false;
    const run = (): void => {
      if (!cancelled) action();
    };
    this.timeline.after(ms, () => {
      if (!cancelled) this.do(run);
    });
    return { cancel: () => void (cancelled = true) };
  }

  every(periodMs: number, action: () => void): Timer {
    let over = false;
    const again = (): void => {
      if (over || this.isGone) return;
      action();
      this.after(periodMs, again);
    };
    this.after(periodMs, again);
    return { cancel: () => void (over = true) };
  }

  stop(): void {
    if (this.state !== 'running') return;
    this.state = 'stopped';
    this.stoppedMs = this.timeline.nowMs;
  }

  goOn(): void {
    if (this.state !== 'stopped') return;
    this.state = 'running';
    const { backlog } = this;
    this.backlog = [];
    for (const action of backlog) this.do(action);
  }

  kill(): void {
    this.state = 'gone';
    this.backlog = [];
  }
}
