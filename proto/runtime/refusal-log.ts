import type { OperationalError } from '../errors.js';
import type { Log } from './log.js';

const EVERY_MS = 1_000;

/**
 * Logs messages that were refused, one a second at most: whoever sends many is not to fill the disk. Counters tell how many.
 * @returns to be called with each
 */
export function refusalLog(log: Log, nowMs: () => number): (error: OperationalError) => void {
  let toldMs = -Infinity;
  let untold = 0;
  return (error) => {
    if (nowMs() - toldMs < EVERY_MS) {
      untold += 1;
      return;
    }
    log.warn({ code: error.code, before: untold }, `message refused: ${error.message}`);
    toldMs = nowMs();
    untold = 0;
  };
}
