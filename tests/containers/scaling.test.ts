import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ComposeCluster } from './compose-cluster.js';
import { docker } from './docker.js';

const images = inject('containerImages');
/** Over which a rate is measured, in ms. */
const WINDOW_MS = 30_000;
/** Large shards: what each worker does once a step, whatever their number, is small beside them. */
const RUN = { shards: 4, shardBatch: 1_024 };
/** Prometheus asks for the workers' addresses every 5 s, and scrapes as often. */
const FOLLOWS_WITHIN_MS = 15_000;
const ALERTS = 'count(ALERTS{alertstate="firing"}) or vector(0)';

describe.skipIf(images === null)('docker compose scale while it trains', () => {
  let cluster: ComposeCluster;
  const rates = new Map<string, number>();

  beforeAll(async () => {
    if (images === null) return;
    cluster = await ComposeCluster.create(images, {
      ...{ GAN_DATA: 'synthetic', GAN_STEPS: '1000000', GAN_WORKERS: '1', GAN_WORKER_CPUS: '0.3' },
      ...{ GAN_SHARDS: String(RUN.shards), GAN_SHARD_BATCH: String(RUN.shardBatch) },
    });
    await cluster.must('up', '-d', 'cluster');
    await cluster.reach(5);
  });
  afterAll(async () => {
    for (const [what, rate] of rates) console.log(`${what}: ${rate.toFixed(0)} images/s`);
    const [one = 1, ...others] = rates.values();
    console.log(`times as many as with one: ${others.map((rate) => (rate / one).toFixed(2)).join(', ')}`);
    if (images !== null) await cluster.close();
  });

  /** Scales, and waits until ring and Prometheus know; measures the rate from then on. */
  const scaleTo = async (workers: number): Promise<void> => {
    await cluster.must('scale', `worker=${workers}`);
    const sinceMs = performance.now();
    await cluster.until(`${workers} workers in Prometheus`, async () =>
      (await cluster.query('count(up{job="gan-workers"} == 1)')) === workers ? true : null,
    );
    // The containers themselves start in that time as well.
    expect(performance.now() - sinceMs).toBeLessThan(FOLLOWS_WITHIN_MS + 10_000);
    await cluster.until(`${workers} workers in the ring`, async () =>
      (await cluster.workers()) === workers ? true : null,
    );
  };

  const measure = async (what: string): Promise<void> => {
    const before = await cluster.reach(0);
    const sinceMs = performance.now();
    await delay(WINDOW_MS); // the window itself: nothing is waited for
    const after = await cluster.reach(0);
    rates.set(
      what,
      ((after.step - before.step) * 1_000 * RUN.shards * RUN.shardBatch) / (performance.now() - sinceMs),
    );
  };

  it('begins with one worker', async () => {
    await scaleTo(1);
    await measure('1 worker');
  });

  it('takes more in', async () => {
    await scaleTo(2);
    await measure('2 workers');
    await scaleTo(4);
    await measure('4 workers');
  });

  it('lets some go in order, without an alert', async () => {
    await scaleTo(2);
    await measure('2 workers again');
    // Longer than the missing-workers alert waits.
    const untilMs = performance.now() + 45_000;
    while (performance.now() < untilMs) {
      expect(await cluster.query(ALERTS)).toBe(0);
      await delay(2_000);
    }
  });

  it('raises the alert of missing workers when one is lost', async () => {
    await docker('kill', await cluster.container('worker'));
    await cluster.until('the alert', async () =>
      (await cluster.query('count(ALERTS{alertname="GanWorkersMissing", alertstate="firing"})')) === 1
        ? true
        : null,
    );
    await cluster.must('up', '-d', '--no-recreate', 'worker');
  });
});
