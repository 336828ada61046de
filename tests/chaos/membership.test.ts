import { describe, expect } from 'vitest';
import type { ChaosCluster } from './chaos-cluster.js';
import { lasting } from './pulse.js';
import { testEach, type Mark, type Scenario } from './scenario.js';
import { LONG, SHORT } from './shapes.js';

const LEAVES_WITHIN_MS = 8_000;

/** Time from the survey that opens a ring epoch to its first commit. */
async function markPause(cluster: ChaosCluster, mark: Mark, kind: string, sinceMs: number): Promise<void> {
  const survey = await cluster.until(
    () => cluster.watch.surveys.find(({ atMs }) => atMs >= sinceMs),
    'a survey',
  );
  mark(kind, survey.atMs);
}

async function join(cluster: ChaosCluster, mark: Mark, name: string): Promise<void> {
  const { ringEpoch } = cluster.watch.progress;
  const { startedMs } = await cluster.startWorker(name);
  await cluster.until(() => cluster.watch.world.includes(name), `${name} in the world`);
  await cluster.commitsAfter(ringEpoch);
  await markPause(cluster, mark, 'worker joins (pause)', startedMs);
}

async function drain(cluster: ChaosCluster, mark: Mark, name: string): Promise<void> {
  const life = cluster.process(name);
  const atMs = cluster.signal(name, 'SIGTERM');
  const exit = await cluster.exitOf(life);
  expect(exit).toMatchObject({ status: 0 });
  expect(exit.atMs - atMs).toBeLessThan(LEAVES_WITHIN_MS);
  mark('worker leaves (SIGTERM)', atMs);
}

const SCENARIOS: readonly Scenario[] = [
  ...[1, 2, 3].map((workers): Scenario => ({
    name: `a worker joins ${workers}`,
    workers,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(8);
      await join(cluster, mark, `worker-${workers}`);
    },
  })),
  {
    name: 'two workers join one',
    workers: 1,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(8);
      await cluster.startWorker('worker-1');
      await cluster.startWorker('worker-2');
      await cluster.until(() => cluster.watch.world.length === 3, 'a world of three');
    },
  },
  {
    name: 'a spare comes and changes nothing',
    workers: 4,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(8);
      await cluster.startWorker('worker-4');
      await cluster.until(() => (cluster.watch.status?.spares ?? 0) === 1, 'a spare');
      expect(cluster.watch.starts).toHaveLength(1);
    },
  },
  ...[
    { workers: 2, rank: 1 },
    { workers: 3, rank: 0 },
    { workers: 4, rank: 2 },
  ].map(({ workers, rank }): Scenario => ({
    name: `worker-${rank} of ${workers} leaves`,
    workers,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      await drain(cluster, mark, `worker-${rank}`);
    },
  })),
  {
    name: 'a spare leaves and changes nothing',
    workers: 5,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      const life = cluster.process('worker-4');
      cluster.signal('worker-4', 'SIGTERM');
      expect(await cluster.exitOf(life)).toMatchObject({ status: 0 });
      expect(cluster.watch.starts).toHaveLength(1);
    },
  },
  {
    name: 'a member leaves and a spare takes its place',
    workers: 5,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      await drain(cluster, mark, 'worker-1');
      await cluster.until(() => cluster.watch.world.includes('worker-4'), 'the spare in the world');
    },
  },
  {
    name: 'the last worker leaves, and another one comes later',
    workers: 1,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      await drain(cluster, mark, 'worker-0');
      const { ringEpoch } = cluster.watch.progress;
      const { startedMs } = await cluster.startWorker('worker-1');
      await cluster.commitsAfter(ringEpoch);
      mark('first worker after the last one left (from its start)', startedMs);
      // Its state was kept before it went.
      expect(cluster.watch.starts.at(-1)?.source.kind).toBe('checkpoint');
    },
  },
  {
    name: 'both workers leave at once, and others come later',
    workers: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(20);
      const lives = ['worker-0', 'worker-1'].map((name) => cluster.process(name));
      for (const { name } of lives) cluster.signal(name, 'SIGTERM');
      for (const life of lives) expect(await cluster.exitOf(life)).toMatchObject({ status: 0 });
      const { ringEpoch, nextUpdate } = cluster.watch.progress;
      await cluster.startWorker('worker-2');
      await cluster.startWorker('worker-3');
      await cluster.commitsAfter(ringEpoch);
      // What they held was kept before they went.
      const start = cluster.watch.starts.at(-1);
      expect(start?.source.kind).toBe('checkpoint');
      expect(start?.nextUpdate).toBeGreaterThanOrEqual(nextUpdate);
    },
  },
  {
    name: 'a worker is asked to leave before it has joined',
    workers: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(8);
      const life = await cluster.startWorker('worker-2');
      await cluster.until(() => cluster.watch.hellos.some(({ pid }) => pid === life.pid), 'its hello');
      cluster.signal('worker-2', 'SIGTERM');
      expect(await cluster.exitOf(life)).toMatchObject({ status: 0 });
    },
  },
  {
    name: 'one comes while another goes',
    workers: 2,
    shape: LONG,
    act: async (cluster, mark) => {
      await cluster.reaches(8);
      const life = await cluster.startWorker('worker-2');
      await cluster.until(() => cluster.watch.hellos.some(({ pid }) => pid === life.pid), 'its hello');
      await drain(cluster, mark, 'worker-0');
      await cluster.until(() => cluster.watch.world.includes('worker-2'), 'worker-2 in the world');
    },
  },
  ...[false, true].map((checkpoint): Scenario => ({
    name: `all workers are gone for a while, then new ones come, ${checkpoint ? 'with' : 'without'} a checkpoint`,
    workers: 2,
    shape: LONG,
    checkpointEveryS: checkpoint ? 0.3 : 30,
    act: async (cluster, mark) => {
      await cluster.reaches(20);
      if (checkpoint) await cluster.until(() => cluster.watch.checkpointed.length > 0, 'a checkpoint');
      for (const name of ['worker-0', 'worker-1']) cluster.supervise(name, false);
      await Promise.all(['worker-0', 'worker-1'].map((name) => cluster.kill(name)));
      await cluster.event(/run waits/);
      const { ringEpoch } = cluster.watch.progress;
      const { startedMs } = await cluster.startWorker('worker-2');
      await cluster.startWorker('worker-3');
      await cluster.commitsAfter(ringEpoch);
      mark('all workers gone (from the start of the first to come)', startedMs);
    },
  })),
  {
    name: 'three workers come at once, and leave at once again',
    workers: 1,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(8);
      const names = ['worker-1', 'worker-2', 'worker-3'];
      const lives = await Promise.all(names.map((name) => cluster.startWorker(name)));
      await cluster.until(() => cluster.watch.world.length === 4, 'a world of four');
      for (const name of names) cluster.signal(name, 'SIGTERM');
      for (const life of lives) expect(await cluster.exitOf(life)).toMatchObject({ status: 0 });
    },
  },
  {
    name: 'a worker is started again while its old process stands still, which goes on later',
    workers: 2,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(8);
      cluster.signal('worker-1', 'SIGSTOP');
      const { ringEpoch } = cluster.watch.progress;
      const old = cluster.startBeside('worker-1');
      await cluster.commitsAfter(ringEpoch);
      old.signal('SIGCONT');
      await cluster.until(() => cluster.watch.world.length === 3, 'both in the world');
    },
  },
  {
    name: 'a worker that stands still for a moment, again and again, is not excluded',
    workers: 3,
    shape: LONG,
    act: async (cluster) => {
      await cluster.reaches(8);
      for (let pause = 0; pause < 5; pause++) {
        cluster.signal('worker-1', 'SIGSTOP');
        await lasting(400);
        cluster.signal('worker-1', 'SIGCONT');
        await cluster.reaches(cluster.watch.progress.nextUpdate + 2);
      }
      expect(cluster.watch.starts).toHaveLength(1);
    },
  },
  ...[1, 2].map((workers): Scenario => ({
    name: `rank 0 of ${workers} is killed while the run finishes`,
    workers,
    act: async (cluster) => {
      const last = 2 * SHORT.steps;
      await cluster.until(
        () => cluster.watch.checkpointed.some(({ update }) => update === last),
        'the last state',
      );
      cluster.signal('worker-0', 'SIGKILL');
    },
  })),
  {
    name: 'rank 0 is asked to leave while the run finishes',
    workers: 2,
    act: async (cluster) => {
      const last = 2 * SHORT.steps;
      await cluster.until(
        () => cluster.watch.checkpointed.some(({ update }) => update === last),
        'the last state',
      );
      const life = cluster.process('worker-0');
      cluster.signal('worker-0', 'SIGTERM');
      expect(await cluster.exitOf(life)).toMatchObject({ status: 0 });
    },
  },
  {
    name: 'a worker that dies again and again is kept out for a while, and comes back',
    workers: 2,
    shape: LONG,
    act: async (cluster) => {
      for (let death = 0; death < 3; death++) {
        await cluster.until(() => cluster.watch.world.includes('worker-1'), 'worker-1 in the world');
        const { ringEpoch } = cluster.watch.progress;
        await cluster.kill('worker-1');
        await cluster.commitsAfter(ringEpoch);
      }
      await cluster.event(/worker-1 failed \d+ times lately and is kept out/);
    },
  },
];

describe('workers that come and go', () => {
  testEach(SCENARIOS);
});
