import { OperationalError, messageOf } from '../proto/index.js';
import type { Log } from '../proto/runtime/log.js';
import type { Ended } from './coordinator.js';
import { OutdatedError, type Lead, type RunStore } from './run-store.js';

/** A lead that was not renewed for so long is over, for its holder and for whoever stands by. */
const LEASE_MS = 2_000;
const RENEW_EVERY_MS = 500;
const LOOK_EVERY_MS = 250;
/** Without one look that worked: then somebody has to see to NATS. The first failures are said sooner. */
const PATIENCE_MS = 600_000;
const TELL_AFTER_MS = 5_000;

type LeadStore = Pick<RunStore, 'readLead' | 'writeLead'>;

export interface LeadershipOptions {
  readonly store: LeadStore;
  /** Of this process and this attempt alone. */
  readonly holder: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

/** What one who stands by has seen of the present leader. */
export interface Watched {
  readonly revision: number;
  /** Since when the revision is the same, by the own clock. */
  readonly sinceMs: number;
}

export type StandbyVerdict =
  /** Take the lead by compare-and-set on this revision. */
  | { readonly kind: 'take'; readonly revision: number }
  | { readonly kind: 'wait'; readonly watched: Watched }
  | { readonly kind: 'ended'; readonly ended: NonNullable<Lead['ended']> };

/**
 * What one who stands by does on what it reads. Pure. A read alone proves nothing, and neither does a time in it: only a
 * revision that stays the same for the length of a lease by the own clock, and then compare-and-set decides.
 * @param watched null at the first look, and after a look that failed
 * @param waited this coordinator has stood by for a leader already: then it ends with the run
 */
export function judgeLead(
  found: { readonly revision: number; readonly lead: Lead } | null,
  watched: Watched | null,
  waited: boolean,
  nowMs: number,
): StandbyVerdict {
  if (found === null) return { kind: 'take', revision: 0 };
  const { revision, lead } = found;
  if (lead.ended !== null) return waited ? { kind: 'ended', ended: lead.ended } : { kind: 'take', revision };
  if (watched?.revision !== revision) return { kind: 'wait', watched: { revision, sinceMs: nowMs } };
  return nowMs - watched.sinceMs >= LEASE_MS ? { kind: 'take', revision } : { kind: 'wait', watched };
}

const wait = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });

/**
 * The lead of a run: a lease in its KV bucket, renewed by compare-and-set. At most one coordinator's writes go through; one
 * that was paused notices by its own clock, before it does anything, that its lease may be over.
 */
export class Leadership {
  private beat = 0;
  private renewing: Promise<void> = Promise.resolve();
  private readonly timer: NodeJS.Timeout;
  private lost = false;
  private onLost: () => void = () => undefined;
  private onRenewed: () => void = () => undefined;

  private constructor(
    private readonly options: LeadershipOptions,
    private revision: number,
    private renewedMs: number,
    /** The revision by which the lead was taken: larger than that of every leader before. */
    readonly term: number,
  ) {
    this.timer = setInterval(() => void this.renew(), RENEW_EVERY_MS);
  }

  /**
   * Waits until this coordinator leads. Resolves with how the run ended when it did so under another's lead, null when `stop`
   * is aborted first. Throws OperationalError('bus') when the store has not answered for ten minutes.
   */
  static async acquire(
    options: LeadershipOptions,
    stop: AbortSignal,
  ): Promise<Leadership | NonNullable<Lead['ended']> | null> {
    const { store, holder, nowMs, log } = options;
    let watched: Watched | null = null;
    let waited = false;
    let workedMs = nowMs();
    let told = false;
    while (!stop.aborted) {
      try {
        const found = await store.readLead();
        workedMs = nowMs();
        told = false;
        // By the clock after the answer: what it tells of may be newer than the question.
        const verdict = judgeLead(found, watched, waited, workedMs);
        if (verdict.kind === 'ended') return verdict.ended;
        if (verdict.kind === 'take') {
          const sinceMs = nowMs();
          const revision = await store.writeLead({ holder, beat: 0, ended: null }, verdict.revision);
          return new Leadership(options, revision, sinceMs, revision);
        }
        if (!waited) log.info('another coordinator leads: this one stands by');
        waited = true;
        watched = verdict.watched;
      } catch (error) {
        // Somebody was quicker, or NATS is away: what was seen before counts no more.
        const reason = messageOf(error);
        watched = null;
        const silentMs = nowMs() - workedMs;
        if (silentMs > PATIENCE_MS)
          throw new OperationalError('bus', `NATS has not answered for ${PATIENCE_MS / 1000} s: ${reason}`);
        if (!told && silentMs > TELL_AFTER_MS) {
          log.warn({ reason }, 'NATS does not answer: the lead cannot be read');
          told = true;
        }
      }
      await wait(LOOK_EVERY_MS, stop);
    }
    return null;
  }

  /** @param onLost called once, when another leads @param onRenewed after each renewal */
  watch(onLost: () => void, onRenewed: () => void): void {
    this.onLost = onLost;
    this.onRenewed = onRenewed;
    if (this.lost) queueMicrotask(onLost);
  }

  /** Whether this coordinator may still act: its lease cannot have been taken. */
  get valid(): boolean {
    return !this.lost && this.options.nowMs() - this.renewedMs < LEASE_MS;
  }

  /** Tries to renew now; one attempt at a time. Resolves in any case: `valid` tells what came of it. */
  renew(): Promise<void> {
    this.renewing = this.renewing.then(() => this.tryRenew(null));
    return this.renewing;
  }

  /** Gives the lead up for good: whoever stands by ends with the run. */
  async end(ended: Ended, steps: number): Promise<void> {
    this.release();
    this.renewing = this.renewing.then(() => this.tryRenew({ ...ended, steps }));
    await this.renewing;
  }

  /** Stops renewing. */
  release(): void {
    clearInterval(this.timer);
  }

  private async tryRenew(ended: Lead['ended']): Promise<void> {
    if (this.lost) return;
    const { store, holder, nowMs, log } = this.options;
    const sinceMs = nowMs();
    try {
      this.beat += 1;
      this.revision = await store.writeLead({ holder, beat: this.beat, ended }, this.revision);
      this.renewedMs = sinceMs;
      this.onRenewed();
    } catch (error) {
      if (!(error instanceof OutdatedError)) {
        log.warn({ reason: messageOf(error) }, 'the lead could not be renewed');
        return;
      }
      this.lost = true;
      this.release();
      this.onLost();
    }
  }
}
