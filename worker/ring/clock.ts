import { setImmediate as immediate, setTimeout as timeout, clearTimeout as clear } from 'node:timers';

/** Time as the ring sees it; tests put their own in its place. */
export interface Clock {
  /** Milliseconds that only grow; the origin means nothing. */
  nowMs(): number;
  /** Calls back once after `delayMs`; the function returned cancels. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls back after the event loop has looked at its sockets once more. */
  afterTurn(callback: () => void): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = timeout(callback, delayMs);
    return () => clear(timer);
  },
  afterTurn(callback) {
    // The first of the two may run before the loop has come round to its sockets, the second cannot.
    immediate(() => immediate(callback));
  },
};
