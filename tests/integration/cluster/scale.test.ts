import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { GanCluster, ganCluster, readRunFile, temporaryFolder, untimedHistory } from './gan-cluster.js';

const STEPS = 1_000;
const DEADLINE_MS = 30_000;
const FILES = ['generator.onnx', 'model.json', 'weights.bin', 'generator.safetensors', 'samples.png'];

const SHAPE = ['--data', 'synthetic', '--shards', '3', '--shard-batch', '8', '--steps', String(STEPS)];

/** Worker processes of the cluster in `out`, by name. */
function workersOf(out: string): string[] {
  const commands = execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).split('\n');
  const names = commands
    .filter((command) => command.includes(`${out}/.cluster/`))
    .map((command) => / --worker-id (\S+)/.exec(command)?.[1])
    .filter((name) => name !== undefined);
  return names.sort();
}

const untilWorkersAre = (out: string, names: readonly string[]): Promise<void> =>
  vi.waitFor(() => expect(workersOf(out)).toEqual(names), { interval: 50, timeout: DEADLINE_MS });

function bitsOf(out: string): Record<string, unknown> {
  const files = FILES.map((name) => [name, readFileSync(join(out, name)).toString('base64')] as const);
  return { ...Object.fromEntries(files), state: readRunFile(out).stateSha256, history: untimedHistory(out) };
}

it(
  'a run that is scaled to three workers and back to one has the bits of an undisturbed one',
  { timeout: 180_000 },
  async () => {
    const folder = temporaryFolder();
    const whole = join(folder, 'whole');
    const undisturbed = await ganCluster(['train', ...SHAPE, '--out', whole, '--workers', '1']);
    expect(undisturbed.status).toBe(0);

    const out = join(folder, 'scaled');
    const run = new GanCluster(['train', ...SHAPE, '--out', out, '--workers', '1', '--json']);
    await run.printed('"phase":"training","step":');
    const scaleTo = (workers: number) => ganCluster(['scale', '--workers', String(workers), '--out', out]);
    expect(await scaleTo(3)).toMatchObject({ status: 0, stdout: '1 -> 3 workers\n', stderr: '' });
    await run.printed('"workers":3');
    expect(workersOf(out)).toEqual(['worker-0', 'worker-1', 'worker-2']);
    expect(await scaleTo(1)).toMatchObject({ status: 0, stdout: '3 -> 1 worker\n', stderr: '' });
    await untilWorkersAre(out, ['worker-0']);
    expect(readRunFile(out)).toMatchObject({ outcome: 'running' });

    const end = await run.finished;
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(bitsOf(out)).toEqual(bitsOf(whole));
    const worked = readRunFile(out).workers.filter(({ shardsComputed }) => shardsComputed > 0);
    expect(worked).toHaveLength(3);
    // They left in order: nothing was said of an end, and nothing was started again.
    expect(end.stdout).not.toMatch(/worker-\d ended/);
    expect(existsSync(join(out, '.cluster', 'cluster.json'))).toBe(false);
  },
);
