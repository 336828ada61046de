import { once } from 'node:events';
import type { Bus } from '../proto/runtime/bus.js';
import type { Ended } from './coordinator.js';

const TELL_EVERY_MS = 1_000;

export interface AfterEnd {
  readonly bus: Bus;
  /** Null for a run that could not even be named. */
  readonly runId: string | null;
  /** Of the lead under which the run ended; 0 for none. */
  readonly term: number;
  readonly ended: Ended;
}

/**
 * Tells the last word of a run to whoever comes after it, until `stop`: watchers hear it again and again, and a worker
 * that looks for work is sent home. A failure is not that worker's: it ends in order.
 */
export async function stayAfterEnd({ bus, runId, term, ended }: AfterEnd, stop: AbortSignal): Promise<void> {
  const { outcome, exitStatus } = ended;
  const message = ended.message.slice(0, 4_000);
  const tell = (): void => bus.out('ended', { runId, outcome, exitStatus, message });
  bus.onUp('hello', () => bus.all('stop', { term, reason: message, failed: false }));
  tell();
  const timer = setInterval(tell, TELL_EVERY_MS);
  if (!stop.aborted) await once(stop, 'abort');
  clearInterval(timer);
}
