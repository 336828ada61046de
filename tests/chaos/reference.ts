import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { readBits, type Bits } from './bits.js';
import { ChaosCluster } from './chaos-cluster.js';
import type { Shape } from './shapes.js';

const END_WITHIN_MS = 120_000;

/** The bits of an undisturbed run of one worker; computed once a shape and session. */
export async function referenceBits(shape: Shape): Promise<Bits> {
  const file = join(inject('chaosFolder'), `reference-${shape.name}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Bits;
  const cluster = await ChaosCluster.start({ shape, workers: 1 });
  try {
    await cluster.runEnd(END_WITHIN_MS);
  } catch (error) {
    throw await cluster.failed(error);
  }
  const bits = readBits(cluster.out);
  await cluster.close(false);
  writeFileSync(file, JSON.stringify(bits));
  return bits;
}
