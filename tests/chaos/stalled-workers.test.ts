import { describe, expect } from 'vitest';
import { planned } from './planned.js';
import { testEach, type Scenario } from './scenario.js';
import { LONG } from './shapes.js';
import type { ChaosCluster } from './chaos-cluster.js';

const comesBack = async (cluster: ChaosCluster, name: string, sinceEpoch: number): Promise<void> => {
  await cluster.until(
    () => cluster.watch.progress.ringEpoch > sinceEpoch && cluster.watch.world.includes(name),
    `${name} in the world again`,
  );
};

/** Stops a process with SIGSTOP at a point; once the others go on, it may go on as well, and is to come back. */
const stopped = (
  workers: number,
  rank: number,
  point: 'in-compute' | 'in-reduce-scatter' | 'in-all-gather' | 'in-adam',
  update: number,
): Scenario => {
  const fault = planned(`worker-${rank}`, point, update, 'stop');
  return {
    name: `worker-${rank} of ${workers} stands still ${point} ${update}, and comes back`,
    workers,
    shape: LONG,
    faults: [fault],
    kind: 'worker stands still (SIGSTOP)',
    act: async (cluster) => {
      const { atMs } = await cluster.fired(fault.id);
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      const { ringEpoch } = cluster.watch.progress;
      expect(cluster.watch.world).not.toContain(`worker-${rank}`);
      cluster.signal(`worker-${rank}`, 'SIGCONT');
      await comesBack(cluster, `worker-${rank}`, ringEpoch);
    },
  };
};

/** The thread that computes hangs for good, while its process's heartbeats go on. */
const hung = (workers: number, rank: number, update: number): Scenario => {
  const fault = planned(`worker-${rank}`, 'in-compute', update, 'hang');
  return {
    name: `the engine of worker-${rank} of ${workers} hangs in update ${update}`,
    workers,
    shape: LONG,
    faults: [fault],
    kind: 'engine hangs',
    act: async (cluster) => {
      const { atMs } = await cluster.fired(fault.id);
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      expect(cluster.watch.world).not.toContain(`worker-${rank}`);
    },
  };
};

const cutOff = (workers: number, rank: number, update: number): Scenario => ({
  name: `worker-${rank} of ${workers} loses its ring links at update ${update}`,
  workers,
  shape: LONG,
  faults: [planned(`worker-${rank}`, 'before-compute', update, 'cut')],
  kind: 'ring links cut',
});

describe('a worker that stands still', () => {
  testEach([
    stopped(2, 0, 'in-reduce-scatter', 20),
    stopped(2, 1, 'in-all-gather', 21),
    stopped(3, 1, 'in-reduce-scatter', 21),
    stopped(3, 0, 'in-all-gather', 20),
    stopped(4, 3, 'in-compute', 30),
    stopped(4, 2, 'in-adam', 31),
    stopped(3, 1, 'in-reduce-scatter', 0),
  ]);
});

describe('an engine that hangs', () => {
  testEach([hung(2, 1, 20), hung(3, 0, 21), hung(4, 2, 30), hung(2, 0, 0)]);
});

/** No link of one worker holds for long: others go on without it, or it without them. */
const badLinks = (workers: number, name: string): Scenario => ({
  name: `the links of ${name} of ${workers} break in every update`,
  workers,
  shape: LONG,
  faults: [planned(name, 'before-compute', 40, 'cut', true)],
  kind: 'ring links cut again and again',
});

describe('a worker whose ring links are cut', () => {
  testEach([
    badLinks(3, 'worker-1'),
    badLinks(4, 'worker-0'),
    cutOff(2, 1, 20),
    cutOff(3, 0, 21),
    cutOff(4, 2, 30),
    cutOff(4, 0, 31),
  ]);
});
