import { describe, expect } from 'vitest';
import type { ChaosCluster } from './chaos-cluster.js';
import { NatsProxy } from './nats-proxy.js';
import { lasting } from './pulse.js';
import { testEach, type Scenario } from './scenario.js';
import { LONG } from './shapes.js';

const outageMs = process.env['CHAOS_LONG'] === '1' ? 60_000 : 20_000;
const BACK = 'NATS away (from its return)';

/** Nobody is declared dead because nobody could be heard. */
const nobodyIsLost = ({ watch }: ChaosCluster): void =>
  expect(watch.events.map(({ text }) => text).filter((text) => text.includes('was silent'))).toEqual([]);

const away = (name: string, workers: number, ms: number, how: 'stop' | 'kill'): Scenario => ({
  name,
  workers,
  shape: LONG,
  endsWithinMs: 120_000 + ms,
  act: async (cluster, mark) => {
    await cluster.reaches(20);
    await cluster.natsAway(ms, how);
    mark(BACK, Date.now(), 'goes on');
  },
  check: nobodyIsLost,
});

const OUTAGES: readonly Scenario[] = [
  away('NATS is stopped and started again at once', 2, 0, 'stop'),
  away('NATS is killed and started again at once', 3, 0, 'kill'),
  away('NATS is away for 3 s', 2, 3_000, 'stop'),
  away('NATS is killed and away for 3 s', 3, 3_000, 'kill'),
  away(`NATS is away for ${outageMs / 1000} s`, 2, outageMs, 'kill'),
  {
    name: 'NATS is away for 3 s twice',
    workers: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      await cluster.natsAway(3_000, 'stop');
      const { nextUpdate } = cluster.watch.progress;
      await cluster.reaches(nextUpdate + 4);
      await cluster.natsAway(3_000, 'kill');
    },
  },
  ...[3_000, 8_000].map((ms): Scenario => ({
    name: `NATS stands still for ${ms / 1000} s`,
    workers: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      cluster.nats.signal('SIGSTOP');
      await lasting(ms);
      cluster.nats.signal('SIGCONT');
      mark('NATS stands still (from when it goes on)', Date.now(), 'goes on');
    },
    check: nobodyIsLost,
  })),
  {
    name: 'everything stands still for 5 s',
    workers: 3,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      await cluster.suspendEverything(5_000);
      mark('everything stands still (from when it goes on)', Date.now(), 'goes on');
    },
    check: nobodyIsLost,
  },
  {
    name: 'NATS is away before the first ring epoch',
    workers: 2,
    act: (cluster) => cluster.natsAway(3_000, 'kill'),
  },
  {
    name: 'a worker dies while NATS is away',
    workers: 3,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      await cluster.takeNatsAway('kill');
      await cluster.kill('worker-1');
      await lasting(3_000);
      await cluster.giveNatsBack();
    },
  },
  {
    name: 'the coordinator dies while NATS is away',
    workers: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      await cluster.takeNatsAway('kill');
      await cluster.kill('coordinator-0');
      await lasting(3_000);
      await cluster.giveNatsBack();
    },
  },
];

type Disturbance = 'cut' | 'blackHole';
const WORDS = { cut: 'is cut off from NATS', blackHole: 'hears nothing from NATS' } as const;

const proxyOf =
  (who: string): NonNullable<Scenario['proxyOf']> =>
  (process, nats) =>
    process === who ? NatsProxy.listen(nats.port) : undefined;

/** A worker's connection to NATS alone is disturbed until the others go on without it; then it is to come back. */
const workerAlone = (workers: number, who: string, how: Disturbance): Scenario => ({
  name: `${who} of ${workers} ${WORDS[how]} until the others go on`,
  workers,
  shape: LONG,
  proxyOf: proxyOf(who),
  act: async (cluster, mark) => {
    await cluster.reaches(20);
    const { ringEpoch } = cluster.watch.progress;
    mark('worker cut off from NATS alone', Date.now());
    cluster.proxy(who)[how]();
    await cluster.commitsAfter(ringEpoch);
    expect(cluster.watch.world).not.toContain(who);
    cluster.proxy(who).restore();
    await cluster.until(() => cluster.watch.world.includes(who), `${who} in the world again`);
  },
});

/** For so long that a connection is given up; the run may end meanwhile, of which this worker does not hear. */
const workerAloneFor = (workers: number, who: string, how: Disturbance, ms: number): Scenario => ({
  name: `${who} of ${workers} ${WORDS[how]} for ${ms / 1000} s`,
  workers,
  shape: LONG,
  proxyOf: proxyOf(who),
  toleratesLingering: true,
  act: async (cluster) => {
    await cluster.reaches(20);
    cluster.proxy(who)[how]();
    await lasting(ms);
    cluster.proxy(who).restore();
  },
});

const coordinatorAlone = (coordinators: 1 | 2, how: Disturbance, ms: number): Scenario => ({
  name: `the coordinator ${WORDS[how]} for ${ms / 1000} s${coordinators === 2 ? ', beside a standby' : ''}`,
  workers: 2,
  coordinators,
  shape: LONG,
  proxyOf: (process, nats) => (process.startsWith('coordinator') ? NatsProxy.listen(nats.port) : undefined),
  act: async (cluster, mark) => {
    await cluster.reaches(20);
    const { leader } = cluster;
    const { ringEpoch } = cluster.watch.progress;
    if (coordinators === 2) mark('leader cut off from NATS alone: the standby takes over', Date.now());
    cluster.proxy(leader)[how]();
    if (coordinators === 2) await cluster.commitsAfter(ringEpoch);
    else await lasting(ms);
    cluster.proxy(leader).restore();
    if (coordinators === 1)
      mark('coordinator cut off from NATS alone (from its return)', Date.now(), 'goes on');
    else
      await cluster.until(
        () => cluster.logLines.some(({ text }) => text.includes('steps down')),
        'the old leader stepping down',
      );
  },
});

const CUT_OFF: readonly Scenario[] = [
  workerAlone(2, 'worker-1', 'cut'),
  workerAlone(3, 'worker-0', 'cut'),
  workerAlone(2, 'worker-0', 'blackHole'),
  workerAlone(3, 'worker-1', 'blackHole'),
  workerAloneFor(3, 'worker-1', 'cut', 1_000),
  workerAloneFor(2, 'worker-1', 'cut', 6_000),
  workerAloneFor(3, 'worker-0', 'blackHole', 8_000),
  coordinatorAlone(1, 'cut', 5_000),
  coordinatorAlone(1, 'cut', 1_000),
  coordinatorAlone(1, 'blackHole', 8_000),
  coordinatorAlone(2, 'cut', 6_000),
  coordinatorAlone(2, 'blackHole', 8_000),
  {
    name: 'a connection breaks for a moment',
    workers: 3,
    shape: LONG,
    proxyOf: proxyOf('worker-1'),
    act: async (cluster) => {
      await cluster.reaches(20);
      cluster.proxy('worker-1').cut();
      cluster.proxy('worker-1').restore();
    },
  },
];

const POWER_CUTS: readonly Scenario[] = [false, true].map((checkpoint): Scenario => ({
  name: `everything is gone at once, ${checkpoint ? 'with' : 'without'} a checkpoint, and is resumed`,
  workers: 2,
  shape: LONG,
  checkpointEveryS: checkpoint ? 0.5 : 30,
  act: async (cluster, mark) => {
    await cluster.reaches(30);
    if (checkpoint) await cluster.until(() => cluster.watch.checkpointed.length > 1, 'two checkpoints');
    await cluster.killEverything();
    const atMs = Date.now();
    await cluster.resumeEverything();
    mark('power cut (from the restart of all)', atMs);
  },
}));

describe('NATS', () => {
  testEach(OUTAGES);
});

describe('a connection to NATS', () => {
  testEach(CUT_OFF);
});

describe('a power cut', () => {
  testEach(POWER_CUTS);
});
