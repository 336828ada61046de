import { messageOf } from '../errors.js';

/** KV bucket of one run: its record, its ring epochs, the pointer to its newest checkpoint. */
export const runBucketName = (runId: string): string => `gan-run-${runId}`;

/** The stream that its bucket is. */
export const runStreamName = (runId: string): string => `KV_${runBucketName(runId)}`;

/** Object store of one run: checkpoints, histories, the finished generator's files. */
export const objectStoreName = (runId: string): string => `gan-objects-${runId}`;

/** Where the chunks of an object lie in a NATS object store (ADR-20); `id` is of this object and no other of its name. */
export const objectChunkSubject = (store: string, id: string): string => `$O.${store}.C.${id}`;

/** Where an object is described: in base64 of the URL's letters, but padded. */
export function objectInfoSubject(store: string, name: string): string {
  const padding = '='.repeat((3 - (Buffer.byteLength(name) % 3)) % 3);
  return `$O.${store}.M.${Buffer.from(name).toString('base64url')}${padding}`;
}

/** Those of all objects. */
export const everyObjectInfo = (store: string): string => `$O.${store}.M.>`;

/** The object that a subject of `objectInfoSubject` is for. */
export const objectNameOf = (subject: string): string =>
  Buffer.from(subject.slice(subject.lastIndexOf('.') + 1), 'base64url').toString();

/** The stream that all of it is in. */
export const objectStreamName = (store: string): string => `OBJ_${store}`;

/** An error of JetStream in words: of some it tells a number only. */
export function storeWords(error: unknown): string {
  const words = messageOf(error);
  if (words === '503') return 'NATS answered 503: its store has no room, or it has no JetStream';
  if (words === 'TIMEOUT') return 'NATS did not answer in time';
  return words;
}
