import { describe, expect } from 'vitest';
import { NatsHost } from './nats-host.js';
import { planned } from './planned.js';
import { testEach, type Scenario } from './scenario.js';
import { LONG } from './shapes.js';

const STATE_BYTES = 25 << 20;

const ROOMS: readonly Scenario[] = [
  {
    name: 'the store has room for one state only, until it gets more',
    workers: 2,
    shape: LONG,
    checkpointEveryS: 0.5,
    startNats: (folder) => NatsHost.start(folder, Math.round(1.5 * STATE_BYTES)),
    act: async (cluster) => {
      await cluster.event(/checkpoint failed/);
      // The run goes on without.
      const { nextUpdate } = cluster.watch.progress;
      await cluster.reaches(nextUpdate + 10);
      cluster.nats.makeRoom();
      await cluster.natsAway(0, 'stop');
    },
  },
  {
    name: 'the store has room for no state at all, until it gets more',
    workers: 2,
    shape: LONG,
    checkpointEveryS: 0.5,
    startNats: (folder) => NatsHost.start(folder, Math.round(0.5 * STATE_BYTES)),
    act: async (cluster) => {
      await cluster.event(/checkpoint failed.*no checkpoint/);
      const { nextUpdate } = cluster.watch.progress;
      await cluster.reaches(nextUpdate + 10);
      cluster.nats.makeRoom();
      await cluster.natsAway(0, 'stop');
    },
  },
  {
    name: 'the store is full, and a worker is killed',
    workers: 2,
    shape: LONG,
    checkpointEveryS: 0.5,
    startNats: (folder) => NatsHost.start(folder, Math.round(1.5 * STATE_BYTES)),
    faults: [planned('worker-1', 'in-compute', 100, 'kill')],
    act: async (cluster) => {
      await cluster.event(/checkpoint failed/);
      const { atMs } = await cluster.fired('kill-worker-1-in-compute-100');
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      cluster.nats.makeRoom();
      await cluster.natsAway(0, 'stop');
    },
  },
];

describe('a store that is full', () => {
  testEach(
    ROOMS.map((scenario) => ({
      ...scenario,
      check: (cluster) => {
        // The failure is shown, and the last good checkpoint named.
        const said = cluster.watch.events.filter(({ text }) => text.includes('checkpoint failed'));
        expect(said.length).toBeGreaterThan(0);
      },
    })),
  );
});
