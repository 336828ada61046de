import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelLayout, TUTORIAL_MODEL, updateLayout } from '../../../proto/index.js';
import { GanCluster, ganCluster, readRunFile, temporaryFolder, untimedHistory } from './gan-cluster.js';

const MNIST = process.env['MNIST_DIR'];
const GENERATOR_FILES = [
  'generator.onnx',
  'model.json',
  'weights.bin',
  'generator.safetensors',
  'samples.png',
];
const SHARDS = 4;

/** What must not depend on who computed the run. */
function bitsOf(out: string): Record<string, unknown> {
  const files = GENERATOR_FILES.map(
    (name) => [name, readFileSync(join(out, name)).toString('base64')] as const,
  );
  return { ...Object.fromEntries(files), state: readRunFile(out).stateSha256, history: untimedHistory(out) };
}

async function trainTo(out: string, args: readonly string[]): Promise<void> {
  const end = await ganCluster(['train', '--out', out, '--shards', String(SHARDS), ...args]);
  expect(end.stderr).toBe('');
  expect(end.status).toBe(0);
}

/** Bytes that one worker sends for one step's two vectors, by theory. */
function ringBytesPerStep(world: number): number {
  const layout = modelLayout(TUTORIAL_MODEL);
  const ints = updateLayout(layout, 'discriminator').length + updateLayout(layout, 'generator').length;
  return (4 * ints * 2 * (world - 1)) / world;
}

function expectWorkShared(out: string, world: number, steps: number): void {
  const { workers } = readRunFile(out);
  expect(workers).toHaveLength(world);
  const counts = workers.map((worker) => worker.shardsComputed);
  expect(counts.reduce((a, b) => a + b, 0)).toBe(SHARDS * steps);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  for (const { ringBytesSent, ringBytesReceived } of workers) {
    for (const bytes of [ringBytesSent, ringBytesReceived]) {
      // Redone reductions of the first steps are on top; they are few.
      expect(bytes).toBeGreaterThanOrEqual(ringBytesPerStep(world) * steps * 0.99);
      expect(bytes).toBeLessThanOrEqual(ringBytesPerStep(world) * steps * 1.05);
    }
  }
}

const DATASETS = [
  { name: 'synthetic digits', data: 'synthetic', recipe: 'tutorial', steps: 40, skip: false },
  { name: 'synthetic digits, averaged', data: 'synthetic', recipe: 'averaged', steps: 40, skip: false },
  { name: 'real MNIST', data: MNIST ?? '', recipe: 'tutorial', steps: 300, skip: MNIST === undefined },
];

describe.each(DATASETS)('a run on $name', ({ data, recipe, steps, skip, name }) => {
  it.skipIf(skip)(
    `gives the same bits with 1, 2, 3 and 4 workers and shares the work evenly${skip ? ` (MNIST_DIR is not set: ${name} is skipped)` : ''}`,
    { timeout: 180_000 },
    async () => {
      const folder = temporaryFolder();
      const run = ['--data', data, '--recipe', recipe, '--steps', String(steps)];
      const shape = [...run, '--shard-batch', '32', '--seed', '7'];
      const bits = [];
      for (const world of [1, 2, 3, 4]) {
        const out = join(folder, `world-${world}`);
        await trainTo(out, [...shape, '--workers', String(world)]);
        expectWorkShared(out, world, steps);
        bits.push(bitsOf(out));
      }
      const [one, ...others] = bits;
      for (const other of others) expect(other).toEqual(one);
      expect(one?.['history']).toHaveLength(steps + 1);
    },
  );

  it.skipIf(skip)(
    'gives the same bits when it is stopped by Ctrl-C and resumed with another number of workers, or made longer',
    { timeout: 120_000 },
    async () => {
      const folder = temporaryFolder();
      const whole = join(folder, 'whole');
      const parts = join(folder, 'parts');
      const shape = ['--data', data, '--recipe', recipe, '--shard-batch', '16'];
      await trainTo(whole, [...shape, '--steps', String(steps), '--workers', '2']);

      const first = new GanCluster([
        'train',
        '--out',
        parts,
        ...shape,
        '--steps',
        String(steps - 10),
        '--workers',
        '1',
        '--json',
      ]);
      await first.printed('"phase":"training","step":');
      first.child.kill('SIGINT');
      const interrupted = await first.finished;
      expect(interrupted.status).toBe(130);
      const { stepsDone, outcome } = readRunFile(parts);
      expect(outcome).toBe('interrupted');
      expect(stepsDone).toBeGreaterThan(0);
      expect(stepsDone).toBeLessThan(steps - 10);
      expect(interrupted.stdout).toContain('--resume');

      await trainTo(parts, ['--data', data, '--resume', '--workers', '3']);
      expect(readRunFile(parts)).toMatchObject({
        outcome: 'done',
        stepsDone: steps - 10,
        firstStep: stepsDone,
      });
      await trainTo(parts, ['--data', data, '--resume', '--workers', '2', '--steps', String(steps)]);
      expect(bitsOf(parts)).toEqual(bitsOf(whole));
    },
  );
});

describe('a run that was made longer', () => {
  it('keeps its new length when it is stopped and resumed again', { timeout: 120_000 }, async () => {
    const out = join(temporaryFolder(), 'run');
    const resume = ['--resume', '--workers', '1'];
    await trainTo(out, ['--data', 'synthetic', '--shard-batch', '8', '--steps', '10', '--workers', '1']);
    const longer = new GanCluster(['train', '--out', out, ...resume, '--steps', '400', '--json']);
    await longer.printed('"phase":"training","step":');
    longer.child.kill('SIGINT');
    expect((await longer.finished).status).toBe(130);
    expect(readRunFile(out).stepsDone).toBeLessThan(400);
    await trainTo(out, resume);
    expect(readRunFile(out)).toMatchObject({ outcome: 'done', stepsDone: 400, stepsPlanned: 400 });
    expect(untimedHistory(out)).toHaveLength(401);
  });
});

describe('Ctrl-C before the first step', () => {
  it('ends with 130 and leaves nothing behind', { timeout: 30_000 }, async () => {
    const folder = temporaryFolder();
    const run = new GanCluster(['train', '--data', 'synthetic'], { cwd: folder });
    await run.printed('data: synthetic digits');
    run.child.kill('SIGINT');
    const end = await run.finished;
    expect(end).toMatchObject({ status: 130, stderr: '' });
    expect(end.stdout).toMatch(/[Ss]topped before the first step/);
    expect(readdirSync(folder)).toEqual([]);
  });
});
