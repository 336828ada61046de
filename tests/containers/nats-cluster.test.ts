import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { objectStoreName, objectStreamName, runStreamName } from '../../proto/runtime/stores.js';
import { ComposeCluster } from './compose-cluster.js';
import { docker } from './docker.js';
import { tryIn } from './look.js';
import { trainHere } from './reference.js';

const images = inject('containerImages');
const SERVERS = ['nats', 'nats-2', 'nats-3'];
const RUN = ['--data', 'synthetic', '--seed', '3', '--shards', '4', '--shard-batch', '8'];
const RUN_ID = 'kept';
/** Longer than all losses take; the run is made to end when they are over. */
const LONG = 1_000_000;
/** Between two losses. */
const GAP = 60;

/** Of a server's /jsz: of each stream, who leads it and which other copies are up to date. */
const streamsSchema = z.object({
  account_details: z.array(
    z.object({
      stream_detail: z
        .array(
          z.object({
            name: z.string(),
            cluster: z.object({
              leader: z.string(),
              replicas: z.array(z.object({ current: z.boolean(), offline: z.boolean().optional() })),
            }),
          }),
        )
        .optional(),
    }),
  ),
});

describe.skipIf(images === null)('docker compose up cluster with three NATS servers', () => {
  let cluster: ComposeCluster;

  beforeAll(async () => {
    if (images === null) return;
    cluster = await ComposeCluster.create(
      images,
      {
        ...{ GAN_DATA: 'synthetic', GAN_SEED: '3', GAN_SHARD_BATCH: '8', GAN_STEPS: String(LONG) },
        ...{ GAN_RUN_ID: RUN_ID, GAN_CHECKPOINT_EVERY_S: '5' },
      },
      ['deploy/compose.nats-cluster.yaml'],
    );
    await cluster.must('up', '-d', 'cluster');
    await cluster.reach(GAP);
  });
  afterAll(async () => {
    if (images !== null) await cluster.close();
  });

  const goesOn = async (): Promise<void> => {
    const { step } = (await cluster.artifacts()) ?? { step: 0 };
    await cluster.reach(step + GAP);
    await cluster.until('two workers in the ring', async () =>
      (await cluster.workers()) === 2 ? true : null,
    );
  };

  /** What the first server that runs and knows of it says of a stream that has a leader. */
  const streamOf = async (name: string): Promise<{ leader: string; current: number } | null> => {
    for (const server of SERVERS) {
      const [id] = await cluster.containers(server);
      if (id === undefined) continue;
      const url = 'http://127.0.0.1:8222/jsz?accounts=true&streams=true&config=true';
      const told = await docker('exec', id, 'wget', '-q', '-O', '-', url).catch(() => '{}');
      const { data } = streamsSchema.safeParse(JSON.parse(told));
      const found = data?.account_details
        .flatMap(({ stream_detail }) => stream_detail ?? [])
        .find((stream) => stream.name === name && stream.cluster.leader === server);
      if (found === undefined) continue;
      const others = found.cluster.replicas.filter(({ current, offline }) => current && offline !== true);
      return { leader: found.cluster.leader, current: 1 + others.length };
    }
    return null;
  };

  /** Waits until all three servers have all that the run has stored; tells who leads its record. */
  const allCurrent = async (): Promise<string> => {
    await cluster.until('three copies of the objects', async () => {
      const objects = await streamOf(objectStreamName(objectStoreName(RUN_ID)));
      return objects?.current === 3 ? true : null;
    });
    return cluster.until('three copies of the record', async () => {
      const record = await streamOf(runStreamName(RUN_ID));
      return record?.current === 3 ? record.leader : null;
    });
  };

  it('keeps three copies of the record and of the checkpoints', async () => {
    expect(SERVERS).toContain(await allCurrent());
  });

  it('asks a server that wants a route for the password', async () => {
    const from = await cluster.container('worker');
    const hello = 'CONNECT {\\"verbose\\":false}\\r\\nPING\\r\\n';
    const answer = await tryIn(
      from,
      `bash -c "exec 3<>/dev/tcp/nats/6222; printf '${hello}' >&3; timeout 2 head -c 2000 <&3"`,
    );
    expect(answer).toContain("-ERR 'Authorization Violation'");
  });

  it('goes on after the server that leads the record is killed, and when it is back', async () => {
    const leader = await allCurrent();
    await docker('kill', await cluster.container(leader));
    await goesOn();
    await cluster.must('up', '-d', leader);
    await goesOn();
  });

  it('goes on after another one is killed and stays away', async () => {
    const leader = await allCurrent();
    const other = SERVERS.find((server) => server !== leader) ?? '';
    await docker('kill', await cluster.container(other));
    await goesOn();
  });

  it('takes the run up again with two of three servers, and ends with the bits of one server', async () => {
    const { step } = (await cluster.artifacts()) ?? { step: 0 };
    const steps = step + 2 * GAP;
    cluster.set({ GAN_STEPS: String(steps) });
    await cluster.must('stop', 'cluster', 'coordinator', 'worker');
    await cluster.must('up', '-d', '--no-deps', 'worker', 'coordinator');
    const done = await cluster.done();
    const here = await trainHere([...RUN, '--steps', String(steps)]);
    expect(done.stateSha256).toBe(here.stateSha256);
  });
});
