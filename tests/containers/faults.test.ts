import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ComposeCluster } from './compose-cluster.js';
import { docker, run } from './docker.js';
import { openPorts } from './look.js';
import { trainHere } from './reference.js';

const images = inject('containerImages');
/** Small shards: many updates in which something may happen. */
const RUN = { shards: 4, shardBatch: 4 };
/** Longer than all faults take; the run is made to end when they are over. */
const LONG = 1_000_000;
/** Between two faults: the cluster has come back from the one before. */
const GAP = 100;

const addressOf = (id: string): Promise<string> =>
  docker('inspect', id, '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}');

const iptables = await run('iptables', ['-L', 'DOCKER-USER', '-n']).catch(() => null);
const canCut = iptables?.status === 0;

describe.skipIf(images === null)('a cluster of containers to which things happen', () => {
  let cluster: ComposeCluster;
  let step = 0;
  let steps = LONG;

  beforeAll(async () => {
    if (images === null) return;
    cluster = await ComposeCluster.create(images, {
      GAN_DATA: 'synthetic',
      GAN_WORKERS: '3',
      GAN_STEPS: String(LONG),
      GAN_SHARDS: String(RUN.shards),
      GAN_SHARD_BATCH: String(RUN.shardBatch),
      GAN_CHECKPOINT_EVERY_S: '5',
    });
    await cluster.must('up', '-d', 'cluster');
    await cluster.reach(GAP);
  });
  afterAll(async () => {
    if (images !== null) await cluster.close();
  });

  /** Goes on until the run is further than it was, with as many workers. */
  const goesOn = async (workers: number): Promise<void> => {
    const { step: now } = (await cluster.artifacts()) ?? { step };
    step = Math.max(step, now) + GAP;
    ({ step } = await cluster.reach(step));
    await cluster.until(`${workers} workers in the ring`, async () =>
      (await cluster.workers()) === workers ? true : null,
    );
  };

  it('is not disturbed by somebody on its network who knows no secret', async () => {
    const workers = await cluster.containers('worker');
    for (const id of workers) expect(await openPorts(id)).toEqual([7000, 9464]);
    const addresses = await Promise.all(workers.map(addressOf));
    const script = join(import.meta.dirname, 'outsider.js');
    const told = await docker(
      ...['run', '--rm', '--network', `${cluster.project}_default`, '--entrypoint', 'node'],
      ...['-v', `${script}:/outsider.mjs:ro`, images?.gan ?? '', '/outsider.mjs', ...addresses],
    );
    const { nats, ring } = JSON.parse(told) as { nats: string; ring: string[] };
    expect(nats).toContain("-ERR 'Authorization Violation'");
    expect(nats).not.toContain('PONG');
    // The door to the handshake is open to all; what follows is no handshake, and nothing is said to it.
    for (const answer of ring) expect(answer.length).toBeLessThan(1_000);
    await goesOn(3);
    // Nobody was lost over it: the first world, and those that joined it.
    const { stdout } = await cluster.compose(['logs', 'cluster', '--no-log-prefix']);
    expect(stdout).not.toMatch(/warning: ring epoch/);
  });

  it("goes on after a worker's process is killed, which its restart policy brings back", async () => {
    await cluster.killProcess(await cluster.container('worker'));
    await goesOn(3);
  });

  it("goes on after the coordinator's process is killed", async () => {
    await cluster.killProcess(await cluster.container('coordinator'));
    await goesOn(3);
  });

  it("goes on after NATS's process is killed", async () => {
    await cluster.killProcess(await cluster.container('nats'));
    await goesOn(3);
  });

  it('goes on after docker kill of a worker, and with another one after up -d', async () => {
    await docker('kill', await cluster.container('worker'));
    await goesOn(2);
    await cluster.must('up', '-d', 'worker');
    await goesOn(3);
  });

  it('goes on after docker kill of the coordinator and up -d', async () => {
    await docker('kill', await cluster.container('coordinator'));
    await cluster.must('up', '-d', 'coordinator');
    await goesOn(3);
  });

  it('goes on without a worker that is off the network, and with it when it is back', async () => {
    const network = `${cluster.project}_default`;
    const id = await cluster.container('worker');
    await docker('network', 'disconnect', network, id);
    await goesOn(2);
    await docker('network', 'connect', '--alias', 'worker', network, id);
    await goesOn(3);
  });

  it.skipIf(!canCut)('goes on when two of three workers cannot reach each other', async () => {
    const [one = '', other = ''] = await cluster.containers('worker');
    const [from, to] = await Promise.all([addressOf(one), addressOf(other)]);
    const rules = [
      ['-s', from, '-d', to, '-j', 'DROP'],
      ['-s', to, '-d', from, '-j', 'DROP'],
    ];
    try {
      for (const rule of rules)
        expect((await run('iptables', ['-I', 'DOCKER-USER', ...rule])).status).toBe(0);
      // Of two that cannot reach each other one has to stay out.
      await goesOn(2);
    } finally {
      for (const rule of rules) await run('iptables', ['-D', 'DOCKER-USER', ...rule]);
    }
    await goesOn(3);
  });

  it('goes on after docker compose restart', async () => {
    await cluster.must('restart');
    await goesOn(3);
  });

  it('goes on after down and up', async () => {
    await cluster.must('down');
    steps = step + 3 * GAP;
    cluster.set({ GAN_STEPS: String(steps) });
    await cluster.must('up', '-d', 'cluster');
  });

  it('ends with the bits of an undisturbed run', async () => {
    const done = await cluster.done();
    expect(done.step).toBe(steps);
    const here = await trainHere([
      ...['--data', 'synthetic', '--steps', String(steps)],
      ...['--shards', String(RUN.shards), '--shard-batch', String(RUN.shardBatch)],
    ]);
    expect(done.stateSha256).toBe(here.stateSha256);
    expect(await cluster.exitStatus('cluster')).toBe(0);
  });
});
