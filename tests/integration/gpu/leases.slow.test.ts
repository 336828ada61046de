import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ClusterAccess } from '../../../deploy/local/cluster-file.js';
import { GanCluster, ganCluster, temporaryFolder } from '../cluster/gan-cluster.js';
import { CARDS, enginesBelow, madeUpHost } from './made-up-host.js';

const TINY = ['--data', 'synthetic', '--shards', '4', '--shard-batch', '2', '--steps', '1000000'];
/** Sixteen processes on a machine of two cores that may be busy with other things. */
const WITHIN_MS = 120_000;

/** What is made up is a host that libtensorflow has a package for. */
const isLinuxX64 = process.platform === 'linux' && process.arch === 'x64';

/** Awaits what `find` finds, or fails with what it found last. */
async function until<T>(find: () => T, isThere: (found: T) => boolean): Promise<T> {
  const endMs = performance.now() + WITHIN_MS;
  for (;;) {
    const found = find();
    if (isThere(found)) return found;
    if (performance.now() > endMs)
      throw new Error(`not within ${WITHIN_MS} ms, found ${JSON.stringify(found)}`);
    await delay(50);
  }
}

function start(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): GanCluster {
  const cluster = new GanCluster(args, { cwd, env });
  onTestFinished(async () => {
    cluster.child.kill('SIGKILL');
    await cluster.finished;
  });
  return cluster;
}

/** Flags by which a worker started by hand joins the cluster. */
function joining(out: string): string[] {
  const access = JSON.parse(readFileSync(join(out, '.cluster', 'cluster.json'), 'utf8')) as ClusterAccess;
  const { natsUrl, natsCredentialsFile, cluster } = access;
  return ['--nats-url', natsUrl, '--nats-creds-file', natsCredentialsFile ?? '', '--cluster', cluster];
}

describe.runIf(isLinuxX64)('a host with four made-up GPUs', () => {
  it(
    'has one worker a card, through death, a new coordinator, too many workers and --device',
    { timeout: 500_000 },
    async () => {
      const folder = temporaryFolder();
      const env = madeUpHost(folder);
      const run = start(['train', ...TINY, '--engine', 'tfjs-tensorflow', '--out', 'run'], folder, env);
      const launcher = run.child.pid!;
      const engines = () => enginesBelow(launcher);
      /** Cards by worker, of the engines that run now. */
      const cards = () =>
        Object.fromEntries(
          engines().map(({ worker, environment }) => [worker, environment['CUDA_VISIBLE_DEVICES']]),
        );
      const isOneEach = (found: Readonly<Record<string, string | undefined>>): boolean =>
        Object.values(found).sort().join() === CARDS.join();

      await run.printed('ring epoch');
      expect(run.output).toContain('with 4 workers'); // one a card, as nobody said how many
      const before = await until(cards, isOneEach);
      expect(Object.keys(before).sort()).toEqual(['worker-0', 'worker-1', 'worker-2', 'worker-3']);
      for (const { environment } of engines())
        expect(environment).toMatchObject({
          NVIDIA_TF32_OVERRIDE: '0',
          TF_DETERMINISTIC_OPS: '1',
          TF_FORCE_GPU_ALLOW_GROWTH: 'true',
        });

      // Two more workers than cards: they wait, and each is told of in one line.
      const scaled = await ganCluster(['scale', '--workers', '6', '--out', 'run'], { cwd: folder });
      expect(scaled.status).toBe(0);
      await run.printed('worker-4 waits: no GPU is free');
      await run.printed('worker-5 waits: no GPU is free');
      expect(cards()).toEqual(before);

      // A killed worker's card is leased again, to whoever asks first.
      const [victim] = engines();
      process.kill(victim!.parent, 'SIGKILL');
      await until(engines, (found) => found.length === 4 && found.every(({ pid }) => pid !== victim!.pid));
      const after = await until(cards, isOneEach);

      // The next coordinator learns from the workers who holds what.
      const [, pid] = /^\s*(\d+) .*\bcoordinator\b.*--cluster/m.exec(
        execFileSync('ps', ['--ppid', String(launcher), '-o', 'pid=,args='], { encoding: 'utf8' }),
      )!;
      process.kill(Number(pid), 'SIGKILL');
      await run.printed('a coordinator took the lead');
      await delay(3_000); // those that wait have asked again meanwhile
      expect(cards()).toEqual(after);

      // By hand on a card that is leased already: obeyed, and told.
      const byHand = start(
        [
          'worker',
          ...joining(join(folder, 'run')),
          '--engine',
          'tfjs-tensorflow',
          '--device',
          '2',
          '--worker-id',
          'mine',
        ],
        folder,
        env,
      );
      await run.printed(`mine was told by --device to compute on GPU ${CARDS[2]}: it shares it with worker-`);
      const [own] = await until(
        () => enginesBelow(byHand.child.pid!),
        (found) => found.length > 0,
      );
      expect(own?.environment['CUDA_VISIBLE_DEVICES']).toBe(CARDS[2]);

      run.interrupt();
      expect((await run.finished).status).toBe(130);
      expect(await until(engines, (found) => found.length === 0)).toEqual([]);
    },
  );

  it('refuses more workers than it has cards before anything is made', async () => {
    const folder = temporaryFolder();
    const env = madeUpHost(folder);
    const args = ['train', ...TINY, '--engine', 'tfjs-tensorflow', '--workers', '6', '--out', 'run'];
    const { status, stderr } = await ganCluster(args, { cwd: folder, env });
    expect(stderr).toBe(
      'error: --workers 6: a worker has a GPU of its own, and this host has 4 GPUs that tfjs-tensorflow can use: take at most 4\n',
    );
    expect(status).toBe(2);
  });

  it.each([
    [
      ['--device', '4', '--engine', 'tfjs-tensorflow'],
      /^error: --device 4: an NVIDIA GPU's number or UUID was expected; this host has 0 \(NVIDIA A100, GPU-0a\), [^\n]*\n$/,
    ],
    [
      ['--device', '1', '--engine', 'onnx-cpu'],
      /^error: --device 1 was given, but engine onnx-cpu uses no NVIDIA GPU here: [^\n]*\n$/,
    ],
    [
      ['--engine', 'onnx-webgpu'],
      /^error: engine onnx-webgpu cannot run here: no Vulkan driver for the GPU \(.*nvidia.*graphics[^\n]*\n$/,
    ],
  ])('refuses a worker with %j in one line', async (flags, message) => {
    const folder = temporaryFolder();
    const args = ['worker', '--nats-url', 'nats://127.0.0.1:1', ...flags];
    const { status, stderr } = await ganCluster(args, { cwd: folder, env: madeUpHost(folder) });
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it('has no worker on the CPU that was asked to be on a GPU', { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    const env = madeUpHost(folder);
    const run = start(
      ['train', ...TINY, '--engine', 'onnx-cpu', '--workers', '1', '--out', 'run'],
      folder,
      env,
    );
    await run.printed('ring epoch');
    const worker = ['worker', ...joining(join(folder, 'run')), '--engine', 'tfjs-tensorflow'];
    const { status, stderr } = await ganCluster(worker, { cwd: folder, env });
    expect(stderr).toContain(
      "error: engine tfjs-tensorflow was asked for by --engine, but the run's engine is onnx-cpu\n",
    );
    expect(status).toBe(2);
    run.interrupt();
    await run.finished;
  });
});

describe('a worker that is asked to compute on a GPU where there is none', () => {
  it.each([
    ['onnx-cuda', /no NVIDIA GPU is visible|has CUDA for linux-x64/],
    ['tfjs-tensorflow', /tfjs-node-gpu is not installed|tfjs-node-gpu is for linux-x64/],
    ['onnx-webgpu', /no GPU is visible|no WebGPU/],
  ])('%s: says so in one line, exit status 2', async (engine, why) => {
    const args = ['worker', '--nats-url', 'nats://127.0.0.1:1', '--engine', engine];
    const { status, stderr } = await ganCluster(args);
    // A machine that has the GPU gets as far as the NATS server that is not there.
    if (!/no NATS server answers/.test(stderr)) {
      expect(stderr).toMatch(
        new RegExp(
          `^error: engine ${engine} cannot run here: .*(${why.source}).*; available here: [^\\n]*\\n$`,
        ),
      );
    }
    expect(status).toBe(2);
  });
});

describe('npm run test:gpu', () => {
  const check = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, ['--import', 'tsx', 'tests/gpu/requirements.ts'], {
      cwd: resolve(import.meta.dirname, '../../..'),
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });

  it('fails where no GPU engine can run, with a line for each and one for all', () => {
    const { status, stdout, stderr } = check({ CUDA_VISIBLE_DEVICES: '', VK_DRIVER_FILES: '/lvp_icd.json' });
    expect(stdout.trimEnd().split('\n')).toEqual(
      ['onnx-cuda', 'onnx-webgpu', 'tfjs-tensorflow'].map(
        (name) => expect.stringMatching(new RegExp(`^${name}: NOT TESTED: .{10,}`)) as string,
      ),
    );
    expect(stderr).toMatch(
      /^error: a machine was expected on which a GPU engine can run, found none: [^\n]*\n$/,
    );
    expect(status).toBe(1);
  });

  it.runIf(isLinuxX64)('tells what it tests, and what is missing for the others', () => {
    const { status, stdout } = check(madeUpHost(temporaryFolder()));
    expect(stdout).toMatch(/^tfjs-tensorflow: tested \(libtensorflow on 4 x NVIDIA A100 /m);
    expect(stdout).toMatch(/^onnx-webgpu: NOT TESTED: no Vulkan driver for the GPU/m);
    expect(status).toBe(0);
  });
});
