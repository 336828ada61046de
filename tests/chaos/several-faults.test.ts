import { describe } from 'vitest';
import { planned } from './planned.js';
import { testEach, type Scenario } from './scenario.js';
import { LONG } from './shapes.js';

const AT_ONCE = 'two faults at once';

const TOGETHER: readonly Scenario[] = [
  {
    name: 'two of three workers are killed in the same update',
    workers: 3,
    faults: [
      planned('worker-0', 'in-reduce-scatter', 30, 'kill'),
      planned('worker-2', 'in-compute', 30, 'kill'),
    ],
    kind: AT_ONCE,
  },
  {
    name: 'three of four workers are killed in the same update',
    workers: 4,
    faults: [0, 1, 3].map((rank) => planned(`worker-${rank}`, 'in-compute', 31, 'kill')),
    kind: AT_ONCE,
  },
  {
    name: 'all workers are killed in the same update',
    workers: 3,
    faults: [0, 1, 2].map((rank) => planned(`worker-${rank}`, 'in-compute', 30, 'kill')),
    kind: 'all workers killed at once',
  },
  {
    name: 'one worker is killed and another one stands still',
    workers: 3,
    shape: LONG,
    faults: [planned('worker-1', 'in-all-gather', 30, 'kill'), planned('worker-2', 'in-compute', 30, 'stop')],
    kind: AT_ONCE,
    act: async (cluster) => {
      const { atMs } = await cluster.fired('stop-worker-2-in-compute-30');
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      cluster.signal('worker-2', 'SIGCONT');
    },
  },
  {
    name: 'a worker is killed while the coordinator is',
    workers: 3,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(30);
      cluster.signal('worker-1', 'SIGKILL');
      mark('worker and coordinator killed', await cluster.kill('coordinator-0'));
    },
  },
  {
    name: 'rank 0 is killed while the leader is, and the standby takes over',
    workers: 3,
    coordinators: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(30);
      const { leader } = cluster;
      cluster.supervise(leader, false);
      cluster.signal('worker-0', 'SIGKILL');
      mark('worker and leader killed: the standby takes over', await cluster.kill(leader));
      await cluster.until(() => cluster.leader !== leader, 'another leader');
      cluster.startAgain(leader);
    },
  },
  {
    name: 'the only worker is killed while the coordinator is',
    workers: 1,
    shape: LONG,
    checkpointEveryS: 0.5,
    act: async (cluster) => {
      await cluster.reaches(30);
      cluster.signal('worker-0', 'SIGKILL');
      await cluster.kill('coordinator-0');
    },
  },
  {
    name: 'a worker is killed and NATS restarts',
    workers: 3,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(30);
      cluster.signal('worker-2', 'SIGKILL');
      await cluster.natsAway(1_000, 'kill');
    },
  },
];

const RECOVERY = 'fault during a recovery';

/** A worker is killed, and something else happens on the way back. */
const DURING_RECOVERY: readonly Scenario[] = [
  ...[0, 2].map((rank): Scenario => ({
    name: `worker-${rank} is killed in the survey that worker-1's death makes`,
    workers: 3,
    shape: LONG,
    faults: [
      planned('worker-1', 'in-compute', 30, 'kill'),
      planned(`worker-${rank}`, 'in-survey', 30, 'kill'),
    ],
    kind: RECOVERY,
  })),
  {
    name: 'worker-2 stands still in the survey',
    workers: 3,
    shape: LONG,
    faults: [planned('worker-1', 'in-compute', 30, 'kill'), planned('worker-2', 'in-survey', 30, 'stop')],
    kind: RECOVERY,
    act: async (cluster) => {
      const { atMs } = await cluster.fired('stop-worker-2-in-survey-30');
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      cluster.signal('worker-2', 'SIGCONT');
    },
  },
  {
    name: 'worker-2 hangs in the survey',
    workers: 3,
    shape: LONG,
    faults: [planned('worker-1', 'in-compute', 30, 'kill'), planned('worker-2', 'in-survey', 30, 'hang')],
    kind: RECOVERY,
  },
  ...(['kill', 'stop', 'hang'] as const).map((action): Scenario => ({
    name: `${action}: a newcomer while it takes the state over`,
    workers: 2,
    shape: LONG,
    faults: [planned('worker-2', 'in-state-transfer', 0, action)],
    kind: RECOVERY,
    act: async (cluster) => {
      await cluster.reaches(8);
      await cluster.startWorker('worker-2');
      const { atMs } = await cluster.fired(`${action}-worker-2-in-state-transfer-0`);
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      if (action === 'stop') cluster.signal('worker-2', 'SIGCONT');
    },
  })),
  ...(['kill', 'stop', 'hang'] as const).map((action): Scenario => ({
    name: `${action}: the source while it hands its state over`,
    workers: 2,
    shape: LONG,
    faults: [planned('worker-0', 'in-state-transfer', 0, action)],
    kind: RECOVERY,
    act: async (cluster) => {
      await cluster.reaches(8);
      await cluster.startWorker('worker-2');
      const { atMs } = await cluster.fired(`${action}-worker-0-in-state-transfer-0`);
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      if (action === 'stop') cluster.signal('worker-0', 'SIGCONT');
    },
  })),
  {
    name: 'the only holder of the state dies while it hands it over',
    workers: 1,
    shape: LONG,
    checkpointEveryS: 0.5,
    faults: [planned('worker-0', 'in-state-transfer', 0, 'kill')],
    kind: RECOVERY,
    act: async (cluster) => {
      await cluster.until(() => cluster.watch.checkpointed.length > 0, 'a checkpoint');
      await cluster.startWorker('worker-1');
      await cluster.fired('kill-worker-0-in-state-transfer-0');
    },
  },
  ...(['kill', 'stop', 'hang'] as const).map((action): Scenario => ({
    name: `${action}: rank 0 while it stores a checkpoint`,
    workers: 2,
    shape: LONG,
    checkpointEveryS: 0.5,
    faults: [planned('worker-0', 'in-checkpoint', 2, action)],
    kind: 'fault during a checkpoint',
    act: async (cluster) => {
      const { atMs } = await cluster.fired(`${action}-worker-0-in-checkpoint-2`);
      await cluster.commitsAfter(cluster.watch.ringEpochAt(atMs));
      // The thread that hangs is the one that would hear of the run's end.
      if (action !== 'kill') cluster.signal('worker-0', action === 'stop' ? 'SIGCONT' : 'SIGKILL');
    },
  })),
  {
    name: 'rank 0 is killed while it stores the last checkpoint',
    workers: 2,
    faults: [planned('worker-0', 'in-checkpoint', 80, 'kill')],
  },
  {
    name: 'the only worker is killed while it stores the last checkpoint',
    workers: 1,
    faults: [planned('worker-0', 'in-checkpoint', 80, 'kill')],
  },
  {
    name: 'the coordinator is killed in a survey, and a worker with it',
    workers: 3,
    shape: LONG,
    faults: [
      planned('worker-1', 'in-compute', 30, 'kill'),
      planned('worker-2', 'in-survey', 30, 'kill'),
      planned('coordinator', 'surveyed', 20, 'kill'),
    ],
  },
  {
    name: 'the standby takes over from a leader that is killed once the ring epoch is written',
    workers: 3,
    coordinators: 2,
    shape: LONG,
    faults: [
      planned('worker-1', 'in-compute', 30, 'kill'),
      planned('coordinator', 'ring-written', 20, 'kill'),
    ],
  },
  {
    name: 'workers die one after the other, each while the last death is still felt',
    workers: 4,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      for (const name of ['worker-1', 'worker-2', 'worker-3']) {
        const surveys = cluster.watch.surveys.length;
        await cluster.kill(name);
        await cluster.until(() => cluster.watch.surveys.length > surveys, 'a survey');
      }
    },
  },
];

describe('two faults at once', () => {
  testEach(TOGETHER);
});

describe('a fault during a recovery', () => {
  testEach(DURING_RECOVERY);
});
