import { messageOf } from '../errors.js';

/** KV bucket of one run: its record, its ring epochs, the pointer to its newest checkpoint. */
export const runBucketName = (runId: string): string => `gan-run-${runId}`;

/** Object store of one run: checkpoints, histories, the finished generator's files. */
export const objectStoreName = (runId: string): string => `gan-objects-${runId}`;

/** An error of JetStream in words: of some it tells a number only. */
export function storeWords(error: unknown): string {
  const words = messageOf(error);
  if (words === '503') return 'NATS answered 503: its store has no room, or it has no JetStream';
  if (words === 'TIMEOUT') return 'NATS did not answer in time';
  return words;
}
