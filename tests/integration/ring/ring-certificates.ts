import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates } from '../../../deploy/setup/index.js';
import type { RingTls } from '../../../worker/ring/index.js';

const DAY_MS = 86_400_000;

/** Certificates of a new authority, as `gan-cluster setup` makes them. */
export async function newRingTls(validFrom = new Date(Date.now() - DAY_MS), validDays = 2): Promise<RingTls> {
  const folder = await mkdtemp(join(tmpdir(), 'gan-ring-tls-'));
  try {
    await makeCertificates({ folder, natsNames: ['localhost'], validFrom, validDays });
    const read = (...names: string[]): string => readFileSync(join(folder, ...names), 'utf8');
    return { ca: read('ca.pem'), certificate: read('worker', 'cert.pem'), key: read('worker', 'key.pem') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Of a ring whose certificates have run out; the authority as well. */
export const expiredRingTls = (): Promise<RingTls> => newRingTls(new Date(Date.now() - 10 * DAY_MS), 2);
