import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { readRunFile } from './bits.js';
import { ChaosCluster, type ClusterOptions } from './chaos-cluster.js';
import { planned } from './planned.js';
import { keepRecovery } from './recoveries.js';
import { SHORT } from './shapes.js';

const END_WITHIN_MS = 90_000;

interface Hopeless extends Omit<ClusterOptions, 'shape' | 'endsWith'> {
  readonly name: string;
  readonly act?: (cluster: ChaosCluster) => Promise<void>;
  /** What the run's last word is to say. */
  readonly reason: RegExp;
  /** Whether a run began, which leaves a record that says that it failed. */
  readonly began: boolean;
}

const WORKERS = ['worker-0', 'worker-1'];

const RUNS: readonly Hopeless[] = [
  {
    name: 'no worker comes',
    workers: 0,
    waitWorkersS: 3,
    reason: /a worker was expected within 3 s, none came/,
    began: false,
  },
  {
    name: 'all workers are gone and none comes, with a checkpoint',
    workers: 2,
    waitWorkersS: 3,
    checkpointEveryS: 0.3,
    act: async (cluster) => {
      await cluster.event(/^ring epoch/);
      await cluster.until(() => cluster.watch.checkpointed.length > 1, 'two checkpoints');
      for (const name of WORKERS) cluster.supervise(name, false);
      await Promise.all(WORKERS.map((name) => cluster.kill(name)));
    },
    reason: /a worker was expected within 3 s.*checkpoint is that of step \d+/,
    began: true,
  },
  {
    name: 'all workers are gone and none comes, without a checkpoint',
    workers: 1,
    waitWorkersS: 3,
    act: async (cluster) => {
      await cluster.reaches(10);
      cluster.supervise('worker-0', false);
      await cluster.kill('worker-0');
    },
    reason: /a worker was expected within 3 s/,
    began: true,
  },
  {
    name: 'the same update fails everywhere',
    workers: 2,
    checkpointEveryS: 0.3,
    faults: WORKERS.map((name) => planned(name, 'in-compute', 41, 'throw', true)),
    reason: /update 41 .* failed/,
    began: true,
  },
  {
    name: "the only worker's update fails each time, by a bug of its own",
    workers: 1,
    faults: [planned('worker-0', 'in-compute', 41, 'throw', true)],
    reason: /update 41 .* failed .*: worker-0 failed: Error: planned fault/,
    began: true,
  },
  {
    name: 'the first update fails everywhere',
    workers: 3,
    faults: [...WORKERS, 'worker-2'].map((name) => planned(name, 'in-compute', 0, 'throw', true)),
    reason: /update 0 .* failed/,
    began: true,
  },
];

async function runHopeless({ act, reason, began, ...options }: Hopeless): Promise<void> {
  const cluster = await ChaosCluster.start({ ...options, shape: SHORT, endsWith: 1 });
  try {
    await act?.(cluster);
    const sinceMs = Date.now();
    await cluster.runEnd(END_WITHIN_MS);
    keepRecovery(inject('chaosFolder'), {
      kind: 'a run that cannot go on: time to its last word',
      scenario: options.name,
      ms: Date.now() - sinceMs,
    });
    for (const fault of options.faults ?? []) expect(cluster.record.find(fault.id), fault.id).toBeDefined();
    const { ended } = cluster.watch;
    expect(ended).toMatchObject({ outcome: 'failed', exitStatus: 1 });
    expect(ended?.message).toMatch(reason);
    // One line, no stack.
    const log = readFileSync(join(cluster.logFolder, 'coordinator-0.0.log'), 'utf8');
    const said = log.split('\n').filter((line) => line.startsWith('error: '));
    expect(said).toEqual([`error: ${ended?.message}`]);
    if (began) expect(readRunFile(cluster.out).outcome).toBe('failed');
  } catch (error) {
    throw await cluster.failed(error);
  }
  await cluster.close(false);
}

describe('a run that cannot go on ends with one clear reason', () => {
  for (const run of RUNS) it(run.name, () => runHopeless(run));
});
