import { describe, expect } from 'vitest';
import type { ChaosCluster } from './chaos-cluster.js';
import { planned } from './planned.js';
import { lasting } from './pulse.js';
import { testEach, type Mark, type Scenario } from './scenario.js';
import { LONG, SHORT, lastUpdate } from './shapes.js';

const LEASE_MS = 2_000;
const RESTARTED = 'coordinator killed (from its restart)';
const TAKEN_OVER = 'leader killed: the standby takes over';

/** The leader is killed; its supervisor starts it again at once. */
async function killLeader(cluster: ChaosCluster, mark: Mark): Promise<void> {
  const name = cluster.leader;
  await cluster.kill(name);
  const again = await cluster.until(
    () => cluster.process(name).exit === null && cluster.process(name),
    'restart',
  );
  mark(RESTARTED, again.startedMs);
}

/** The leader is killed and stays away; the other one is to take over. */
async function loseLeader(cluster: ChaosCluster, mark: Mark): Promise<void> {
  const name = cluster.leader;
  cluster.supervise(name, false);
  const { ringEpoch } = cluster.watch.progress;
  mark(TAKEN_OVER, await cluster.kill(name));
  await cluster.commitsAfter(ringEpoch);
  expect(cluster.leader).not.toBe(name);
  cluster.startAgain(name); // to stand by
}

/** Terms of coordinators only grow: who was deposed says nothing more that workers could follow. */
function expectGrowingTerms({ watch }: ChaosCluster): void {
  const terms = watch.terms.map(({ term }) => term);
  expect(terms).toEqual([...terms].sort((a, b) => a - b));
}

const restartedAt = (point: 'surveyed' | 'ring-written' | 'checkpoint-stored', update: number): Scenario => ({
  name: `the coordinator is killed at ${point} ${update} and started again`,
  workers: 2,
  shape: LONG,
  checkpointEveryS: 0.5,
  faults: [
    // Told with what is committed by then, which is less than where the workers are.
    planned('coordinator', point, Math.max(0, update - 20), 'kill'),
    // Something that makes it survey and write.
    ...(point === 'checkpoint-stored' || update === 0
      ? []
      : [planned('worker-1', 'in-compute', update, 'kill')]),
  ],
  kind: 'coordinator killed at a point of recovery',
});

const RESTARTS: readonly Scenario[] = [
  ...[1, 3].map((workers): Scenario => ({
    name: `the coordinator of ${workers} is killed and started again`,
    workers,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      await killLeader(cluster, mark);
    },
  })),
  {
    name: 'the coordinator is killed three times',
    workers: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      for (let death = 0; death < 3; death++) {
        const { ringEpoch } = cluster.watch.progress;
        await cluster.commitsAfter(death === 0 ? 0 : ringEpoch - 1);
        await killLeader(cluster, mark);
        await cluster.commitsAfter(ringEpoch);
      }
    },
  },
  {
    name: 'the coordinator is killed before the first ring epoch',
    workers: 2,
    faults: [planned('coordinator', 'ring-written', 0, 'kill')],
  },
  restartedAt('surveyed', 0),
  restartedAt('surveyed', 40),
  restartedAt('ring-written', 40),
  restartedAt('checkpoint-stored', 1),
  {
    name: 'the coordinator is killed when the last checkpoint is stored',
    workers: 2,
    faults: [planned('coordinator', 'checkpoint-stored', lastUpdate(SHORT) + 1, 'kill')],
  },
  {
    name: 'the coordinator is killed when the run finishes',
    workers: 2,
    act: async (cluster) => {
      await cluster.until(
        () => cluster.watch.status?.phase === 'finishing' || cluster.watch.ended,
        'the finish',
      );
      cluster.signal('coordinator-0', 'SIGKILL');
    },
  },
  {
    name: 'the coordinator stays away for 5 s',
    workers: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      cluster.supervise('coordinator-0', false);
      await cluster.kill('coordinator-0');
      await lasting(5_000);
      mark(RESTARTED, cluster.startAgain('coordinator-0').startedMs);
    },
  },
  {
    name: 'the coordinator stands still for 4 s, alone',
    workers: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      cluster.signal('coordinator-0', 'SIGSTOP');
      await lasting(2 * LEASE_MS);
      cluster.signal('coordinator-0', 'SIGCONT');
    },
  },
];

const STANDBYS: readonly Scenario[] = [
  ...[1, 3].map((workers): Scenario => ({
    name: `the standby takes over ${workers} workers`,
    workers,
    coordinators: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      await loseLeader(cluster, mark);
    },
    check: expectGrowingTerms,
  })),
  {
    name: 'the standby takes over, and then the first one from it',
    workers: 2,
    coordinators: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      await loseLeader(cluster, mark);
      await loseLeader(cluster, mark);
    },
    check: expectGrowingTerms,
  },
  ...(['surveyed', 'ring-written', 'checkpoint-stored'] as const).map((point): Scenario => ({
    name: `the leader is killed at ${point}, and the standby takes over`,
    workers: 2,
    coordinators: 2,
    shape: LONG,
    checkpointEveryS: 0.5,
    faults: [
      planned('coordinator', point, 10, 'kill'),
      ...(point === 'checkpoint-stored' ? [] : [planned('worker-1', 'in-compute', 30, 'kill')]),
    ],
    check: expectGrowingTerms,
  })),
  {
    name: 'the leader stands still until the standby has taken over, and wakes up',
    workers: 2,
    coordinators: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      const name = cluster.leader;
      const { ringEpoch } = cluster.watch.progress;
      mark('leader stands still (SIGSTOP): the standby takes over', cluster.signal(name, 'SIGSTOP'));
      await cluster.commitsAfter(ringEpoch);
      const wokenMs = cluster.signal(name, 'SIGCONT');
      await cluster.until(
        () =>
          cluster.logLines.some(
            ({ from, text, atMs }) => from.startsWith(name) && atMs >= wokenMs && text.includes('steps down'),
          ) || cluster.watch.reports.some(({ atMs }) => atMs > wokenMs + 1_000),
        'the old leader awake',
      );
    },
    check: (cluster) => {
      expectGrowingTerms(cluster);
      const steppedDown = cluster.logLines.filter(({ text }) => text.includes('steps down'));
      expect(steppedDown).toHaveLength(1);
    },
  },
  {
    name: 'leader and standby are killed at once, and started again',
    workers: 2,
    coordinators: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      for (const name of ['coordinator-0', 'coordinator-1']) cluster.signal(name, 'SIGKILL');
    },
    check: expectGrowingTerms,
  },
  {
    name: 'the standby is killed and started again',
    workers: 2,
    coordinators: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      const standby = cluster.leader === 'coordinator-0' ? 'coordinator-1' : 'coordinator-0';
      await cluster.kill(standby);
    },
    check: (cluster) => expect(cluster.watch.starts).toHaveLength(1),
  },
];

describe('a coordinator that is started again', () => {
  testEach(RESTARTS);
});

describe('a coordinator that stands by', () => {
  testEach(STANDBYS);
});
