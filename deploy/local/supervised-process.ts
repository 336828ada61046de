import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '../../proto/index.js';
import {
  LIVES_THAT_COUNT,
  decideRestart,
  type Life,
  type RestartDecision,
  type RestartRules,
} from './restart-policy.js';

/** How a process ended; in words: `exit status 1`, `killed by SIGKILL`. */
export interface ProcessEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly words: string;
}

/** A process that runs, or did. */
export interface RunningProcess {
  readonly exited: Promise<ProcessEnd>;
  /** Ends it, by force once `patienceMs` have passed, and resolves when it has gone. */
  stop(patienceMs: number): Promise<unknown>;
}

export interface Supervision<P extends RunningProcess> {
  readonly rules: RestartRules;
  /** Starts the process again. An OperationalError counts as an end; `signal` means that it is wanted no more. */
  readonly startAgain: (signal: AbortSignal) => Promise<P>;
  /**
   * Told of each end at once, before anything is decided; it may release the process, which then stays down.
   * @param process null when it could not even be started
   * @param startedMs by `nowMs`
   * @returns the exit status to judge by, null when that says nothing about the process itself
   */
  readonly onEnd: (process: P | null, end: ProcessEnd, startedMs: number) => Promise<number | null>;
  /** Told what is done about an end; not when the process was released. */
  readonly onDecision: (end: ProcessEnd, decision: RestartDecision) => void;
  readonly nowMs: () => number;
}

/** The end after which there is no other start. */
export interface LastEnd {
  readonly end: ProcessEnd;
  /** Null when the process was released. */
  readonly decision: RestartDecision | null;
}

/** A process that is started again when it ends, until it is released. */
export class SupervisedProcess<P extends RunningProcess> {
  /** Resolves when the process is down for good; rejects with a bug of ours only. */
  readonly over: Promise<LastEnd>;
  private process: P | null;
  private readonly released = new AbortController();

  /** @param first runs already */
  constructor(
    first: P,
    private readonly supervision: Supervision<P>,
  ) {
    this.process = first;
    this.over = this.supervise(first);
  }

  /** Null while it is down. */
  get current(): P | null {
    return this.process;
  }

  /** From here on it is not started again. */
  release(): void {
    this.released.abort();
  }

  /** Releases it, ends it and resolves when nothing of it runs any more. */
  async stop(patienceMs: number): Promise<void> {
    this.release();
    await this.process?.stop(patienceMs);
    await this.over;
  }

  private async supervise(first: P): Promise<LastEnd> {
    const { rules, onEnd, onDecision, nowMs } = this.supervision;
    const { signal } = this.released;
    const lives: Life[] = [];
    let process: P | null = first;
    let exited = first.exited;
    let startedMs = nowMs();
    for (;;) {
      const end = await exited;
      const endedMs = nowMs();
      this.process = null;
      const status = await onEnd(process, end, startedMs);
      if (signal.aborted) return { end, decision: null };
      lives.push({ startedMs, endedMs, status });
      if (lives.length > LIVES_THAT_COUNT) lives.shift();
      const decision = decideRestart(lives, nowMs(), rules);
      onDecision(end, decision);
      if (decision.kind !== 'restart') return { end, decision };
      await delay(decision.delayMs, undefined, { signal }).catch(() => undefined); // released
      if (signal.aborted) return { end, decision: null };
      startedMs = nowMs();
      try {
        process = await this.supervision.startAgain(signal);
        ({ exited } = process);
      } catch (error) {
        if (signal.aborted) return { end, decision: null };
        if (!(error instanceof OperationalError)) throw error;
        process = null;
        exited = Promise.resolve({ status: null, signal: null, words: error.message });
      }
      // Released while it was being started: nothing of it may be left running.
      if (signal.aborted) await process?.stop(0);
      else this.process = process;
    }
  }
}
