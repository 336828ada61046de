import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects all garbage. @returns bytes that are in use after it: heap, and memory of buffers outside */
export function collectGarbage(): number {
  collect();
  collect(); // what the first one finalized
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
