import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { RunFile } from '../../coordinator/index.js';

const MAIN = resolve(import.meta.dirname, '../../dist/deploy/cli/main.js');

export interface ClusterShape {
  readonly workers: number;
  readonly shards: number;
  readonly shardBatch: number;
}

interface TimedRun {
  readonly wallMs: number;
  readonly run: RunFile;
}

/** Real digits where there are some: drawn ones cost the coordinator time in their first pass. */
const DATA = process.env['MNIST_DIR'] ?? 'synthetic';

/** One whole `train`, as a user runs it. */
function train(shape: ClusterShape, steps: number): Promise<TimedRun> {
  const folder = mkdtempSync(join(tmpdir(), 'gan-cluster-bench-'));
  const out = join(folder, 'run');
  const number = (value: number): string => String(value);
  const args = ['train', '--data', DATA, '--engine', 'onnx-cpu', '--out', out, '--steps', number(steps)];
  args.push(
    '--workers',
    number(shape.workers),
    '--shards',
    number(shape.shards),
    '--shard-batch',
    number(shape.shardBatch),
  );
  const startMs = performance.now();
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise<TimedRun>((resolvePromise, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => {
      const wallMs = performance.now() - startMs;
      if (status !== 0) return reject(new Error(`train ended with ${status}`));
      const run = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunFile;
      if (run.stepsDone !== steps)
        return reject(new Error(`${steps} steps were expected, ${run.stepsDone} were done`));
      resolvePromise({ wallMs, run });
    });
  }).finally(() => rmSync(folder, { recursive: true, force: true }));
}

export interface ClusterRate {
  readonly msPerStep: number;
  readonly imagesPerSecond: number;
  /** Mean over the workers, milliseconds a step of the longer run. */
  readonly phases: {
    readonly wait: number;
    readonly compute: number;
    readonly reduce: number;
    readonly update: number;
  };
}

/** Steps of the shorter run: enough for the first, slow steps and most of V8's compiling to lie in both. */
const SHORT_STEPS = 150;

/** The rate from the wall time between two lengths of run, so that starting and ending do not count. */
export async function measureCluster(shape: ClusterShape, steps: number): Promise<ClusterRate> {
  const short = await train(shape, SHORT_STEPS);
  const long = await train(shape, SHORT_STEPS + steps);
  const msPerStep = (long.wallMs - short.wallMs) / steps;
  const { workers } = long.run;
  const perStep = (ms: number): number => ms / workers.length / long.run.stepsDone;
  const total = (phase: 'waitMs' | 'computeMs' | 'reduceMs' | 'updateMs'): number =>
    perStep(workers.reduce((sum, worker) => sum + worker[phase], 0));
  return {
    msPerStep,
    imagesPerSecond: (shape.shards * shape.shardBatch * 1000) / msPerStep,
    phases: {
      wait: total('waitMs'),
      compute: total('computeMs'),
      reduce: total('reduceMs'),
      update: total('updateMs'),
    },
  };
}
