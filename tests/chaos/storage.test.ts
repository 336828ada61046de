import { describe, expect, it, onTestFinished } from 'vitest';
import { NatsHost } from './nats-host.js';
import { planned } from './planned.js';
import { lasting } from './pulse.js';
import { runScenario, testEach, type Scenario } from './scenario.js';
import { SmallDisk } from './small-disk.js';
import { StoreFiller } from './store-filler.js';
import { LONG } from './shapes.js';

const STATE_BYTES = 25 << 20;
/** Longer than a lease. */
const FULL_FOR_MS = 3_000;

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

describe('a store that others fill to the last byte', () => {
  testEach([
    {
      name: 'stops nothing for good: the run goes on once there is room again',
      workers: 2,
      shape: LONG,
      checkpointEveryS: 1,
      startNats: (folder) => NatsHost.start(folder, 8 * STATE_BYTES),
      act: async (cluster, mark) => {
        await cluster.reaches(20);
        const filler = await StoreFiller.fill(cluster.nats);
        await cluster.event(/checkpoint failed|NATS does not answer/);
        await lasting(FULL_FOR_MS);
        await filler.empty();
        mark('store full (from when it has room)', Date.now(), 'goes on');
      },
    },
  ]);
});

describe('a disk that is full', () => {
  const words = SmallDisk.isPossible() ? '' : ' (skipped: this user may not mount file systems)';
  it.skipIf(words !== '')(`lets the run go on once it has room again${words}`, async () => {
    let disk: SmallDisk | undefined;
    onTestFinished(() => disk?.unmount());
    await runScenario({
      name: 'the disk is full, until it has room again',
      workers: 2,
      shape: LONG,
      checkpointEveryS: 0.5,
      startNats: () => {
        disk = SmallDisk.mount(40);
        return NatsHost.start(disk.folder);
      },
      act: async (cluster) => {
        // The server takes its store away when the disk is full: that is shown, whatever comes first.
        await cluster.event(/checkpoint failed|NATS does not answer/);
        disk?.grow(400);
        await cluster.natsAway(0, 'stop');
      },
    });
  });
});
