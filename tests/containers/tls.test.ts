import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freePort } from '../chaos/free-port.js';
import { ComposeCluster } from './compose-cluster.js';
import { docker } from './docker.js';
import { tryIn } from './look.js';
import { readRun, trainHere } from './reference.js';

const images = inject('containerImages');
const RUN = ['--data', 'synthetic', '--seed', '5', '--shards', '4', '--shard-batch', '8'];
const STEPS = 60;
/** Says hello without TLS and prints what comes back within a second. */
const plainly = (host: string, port: number, hello: string): string =>
  `exec 3<>/dev/tcp/${host}/${port}; printf '${hello}' >&3; timeout 1 head -c 2000 <&3`;

describe.skipIf(images === null)('docker compose up cluster with TLS everywhere', () => {
  let cluster: ComposeCluster;

  beforeAll(async () => {
    if (images === null) return;
    cluster = await ComposeCluster.create(
      images,
      {
        ...{ GAN_DATA: 'synthetic', GAN_SEED: '5', GAN_SHARD_BATCH: '8', GAN_STEPS: '1000000' },
        ...{ GAN_NATS_PORT: String(await freePort()) },
      },
      ['deploy/compose.tls.yaml'],
    );
    await cluster.must('up', '-d', 'cluster');
  });
  afterAll(async () => {
    if (images !== null) await cluster.close();
  });

  it('trains with two workers', async () => {
    await cluster.until('two workers in the ring', async () =>
      (await cluster.workers()) === 2 ? true : null,
    );
    const { step } = (await cluster.artifacts()) ?? { step: 0 };
    await cluster.reach(step + STEPS);
  });

  it('speaks to nobody without it', async () => {
    const from = await cluster.container('coordinator');
    const nats = await tryIn(from, `bash -c "${plainly('nats', 4222, 'CONNECT {}\\r\\nPING\\r\\n')}"`);
    // The server's first word asks for TLS; it answers nothing that is said without.
    expect(nats).toContain('"tls_required":true');
    expect(nats).not.toContain('PONG');
    const ring = await tryIn(from, `bash -c "${plainly('worker', 7000, 'GET / HTTP/1.1\\r\\n\\r\\n')}"`);
    expect(ring).not.toContain('HTTP/');
  });

  it('keeps each key where it is used', async () => {
    const listing = async (service: string): Promise<string> =>
      tryIn(
        await cluster.container(service),
        'find /run/secrets/gan /etc/nats/gan -type f 2>/dev/null | sort',
      );
    expect(await listing('worker')).toBe(
      ['ca.pem', 'cert.pem', 'key.pem', 'nats.creds']
        .map((name) => `/run/secrets/gan/worker/${name}\n`)
        .join('') + 'status 0',
    );
    expect(await listing('coordinator')).not.toContain('key.pem');
    const logs = await cluster.must('logs');
    const inspected = await docker('inspect', ...(await cluster.must('ps', '-aq')).split('\n'));
    expect(logs + inspected).not.toContain('PRIVATE KEY');
  });

  it('ends with the bits of a run without it', async () => {
    const { step } = (await cluster.artifacts()) ?? { step: 0 };
    const steps = step + 2 * STEPS;
    await cluster.must('stop');
    cluster.set({ GAN_STEPS: String(steps) });
    await cluster.must('up', '-d', 'cluster');
    const done = await cluster.done();
    await cluster.must('run', '--rm', 'fetch');
    const here = await trainHere([...RUN, '--steps', String(steps)]);
    expect(done.stateSha256).toBe(here.stateSha256);
    expect(readRun(join(cluster.folder, 'generator')).stateSha256).toBe(here.stateSha256);
  });
});
