import { describe, expect } from 'vitest';
import { NatsProxy, type Weather } from './nats-proxy.js';
import { planned } from './planned.js';
import { Random } from './random.js';
import { testEach, type Scenario } from './scenario.js';
import { LONG, SHORT } from './shapes.js';

type Odds = Pick<Weather, 'lost' | 'doubled' | 'delayed'>;

/** Control messages of all processes, in both directions, assignments too, meet misfortune. */
const weather = (name: string, seed: number, odds: Odds, more: Partial<Scenario> = {}): Scenario => {
  const proxies: NatsProxy[] = [];
  let processes = 0;
  return {
    name,
    workers: 2,
    shape: SHORT,
    endsWithinMs: 240_000,
    toleratesLingering: true,
    proxyOf: async (_, nats) => {
      const random = new Random(1_000 * seed + processes++);
      const proxy = await NatsProxy.listen(nats.port, { random, maxDelayMs: 300, ...odds });
      proxies.push(proxy);
      return proxy;
    },
    check: () => {
      const sum = (kind: 'lost' | 'doubled' | 'delayed'): number =>
        proxies.reduce((total, { counts }) => total + counts[kind], 0);
      for (const kind of ['lost', 'doubled', 'delayed'] as const)
        if (odds[kind] > 0) expect(sum(kind), `messages ${kind}`).toBeGreaterThan(0);
    },
    ...more,
  };
};

const NONE = { lost: 0, doubled: 0, delayed: 0 };
const ALL = { lost: 0.1, doubled: 0.1, delayed: 0.1 };

describe('control messages', () => {
  testEach([
    weather('10 % are lost', 1, { ...NONE, lost: 0.1 }),
    weather('10 % come twice', 2, { ...NONE, doubled: 0.1 }),
    weather('10 % come late', 3, { ...NONE, delayed: 0.1 }),
    weather('10 % are lost, 10 % come twice, 10 % come late', 4, ALL),
    weather('all of it, with four workers', 5, ALL, { workers: 4 }),
    weather('20 % are lost', 6, { ...NONE, lost: 0.2 }),
    weather('all of it, and a worker is killed', 7, ALL, {
      workers: 3,
      faults: [planned('worker-1', 'in-all-gather', 40, 'kill')],
    }),
    weather('all of it, and the coordinator is killed', 8, ALL, {
      act: async (cluster) => {
        await cluster.reaches(40);
        await cluster.kill('coordinator-0');
      },
    }),
    weather('all of it, and a worker comes', 9, ALL, {
      shape: LONG,
      act: async (cluster) => {
        await cluster.reaches(10);
        await cluster.startWorker('worker-2');
        await cluster.until(() => cluster.watch.world.includes('worker-2'), 'worker-2 in the world');
      },
    }),
    weather('all of it, and a worker leaves', 10, ALL, {
      act: async (cluster) => {
        await cluster.reaches(40);
        const life = cluster.process('worker-1');
        cluster.signal('worker-1', 'SIGTERM');
        expect(await cluster.exitOf(life)).toMatchObject({ status: 0 });
      },
    }),
  ]);
});
