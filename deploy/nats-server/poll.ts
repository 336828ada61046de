import { setTimeout as delay } from 'node:timers/promises';

export interface PollOptions {
  readonly everyMs: number;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks until the answer is not false, undefined or null, and returns it; null once the deadline has passed or `signal`
 * is aborted. For conditions that nothing announces, such as another process writing a file.
 */
export async function pollUntil<T>(
  ask: () => Promise<T | false | null | undefined>,
  options: PollOptions,
): Promise<T | null> {
  const end = performance.now() + options.deadlineMs;
  for (;;) {
    if (options.signal?.aborted) return null;
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) return answer;
    if (performance.now() >= end) return null;
    await delay(options.everyMs);
  }
}
