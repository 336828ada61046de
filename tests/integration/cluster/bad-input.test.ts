import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeIdx } from '../../../coordinator/dataset/index.js';
import { findNatsServer, startNatsServer } from '../../../deploy/nats-server/index.js';
import { Bus } from '../../../proto/runtime/bus.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';
import { runBucketName } from '../../../proto/runtime/stores.js';
import { GanCluster, ganCluster, readRunFile, temporaryFolder } from './gan-cluster.js';

/** Folders of data, each wrong in its own way. */
function wrongData(folder: string): void {
  const images = encodeIdx({ dimensions: [100, 28, 28], data: new Uint8Array(100 * 784) });
  const put = (name: string, file: string, bytes: Uint8Array): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, file), bytes);
  };
  mkdirSync(join(folder, 'empty'));
  put('truncated', 'train-images-idx3-ubyte', images.subarray(0, images.length - 1));
  put('truncated-gzip', 'train-images-idx3-ubyte.gz', gzipSync(images).subarray(0, 100));
  put('not-idx', 'train-images-idx3-ubyte', Buffer.from('hello'));
  put(
    'other-shape',
    'train-images-idx3-ubyte',
    encodeIdx({ dimensions: [10, 5, 5], data: new Uint8Array(250) }),
  );
  put('too-few', 'train-images-idx3-ubyte', images);
  put('other-files', 'notes.txt', Buffer.from('mine'));
}

const SYNTHETIC = ['--data', 'synthetic'];

const CASES: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['an unknown flag', ['train', '--nonsense'], /unknown option '--nonsense'/],
  ['an unknown command', ['trian'], /unknown command 'trian'/],
  ['a value that is no number', ['train', '--shards', '4x'], /'--shards <n>' argument '4x' is invalid/],
  ['no shards', ['train', '--shards', '0'], /1 to 4096 was expected/],
  ['a shard of one image', ['train', '--shard-batch', '1'], /from 2 .* was expected/],
  [
    'a shard too large for a message',
    ['train', ...SYNTHETIC, '--shard-batch', '1338'],
    /at most 1337 was expected/,
  ],
  [
    'a global batch larger than the dataset',
    ['train', ...SYNTHETIC, '--shards', '60', '--shard-batch', '1001'],
    /60060 images, but synthetic digits has 60000/,
  ],
  [
    'passes and steps at once',
    ['train', '--epochs', '1', '--steps', '1'],
    /'--epochs <n>' cannot be used with option '--steps <n>'/,
  ],
  ['a data folder that is missing', ['train', '--data', 'missing'], /missing: no such folder/],
  ['a data folder that is empty', ['train', '--data', 'empty'], /it is empty/],
  ['a truncated IDX file', ['train', '--data', 'truncated'], /truncated\/train-images-idx3-ubyte/],
  [
    'a truncated gzip file',
    ['train', '--data', 'truncated-gzip'],
    /truncated-gzip\/train-images-idx3-ubyte\.gz/,
  ],
  ['a file that is no IDX', ['train', '--data', 'not-idx'], /neither an IDX file/],
  ['images of another shape', ['train', '--data', 'other-shape'], /28 x 28/],
  ['fewer images than a global batch', ['train', '--data', 'too-few'], /too-few has 100/],
  [
    'an out folder with other files',
    ['train', ...SYNTHETIC, '--out', 'other-files'],
    /found other files in it/,
  ],
  [
    'an out folder that cannot be made',
    ['train', ...SYNTHETIC, '--out', '/proc/gan-cluster'],
    /cannot be made/,
  ],
  ['nothing to resume', ['train', '--resume', '--out', 'empty'], /a run was expected in empty, found none/],
  [
    'an engine that is not there',
    ['train', ...SYNTHETIC, '--engine', 'onnx-cuda'],
    /engine onnx-cuda cannot run here: .*available here: onnx-cpu/,
  ],
  ['an engine that is not known', ['train', '--engine', 'abacus'], /Allowed choices are auto, onnx-cpu/],
  [
    'a NATS server that does not answer',
    ['train', ...SYNTHETIC, '--nats-url', 'nats://127.0.0.1:1'],
    /no NATS server answers at nats:\/\/127\.0\.0\.1:1/,
  ],
  ['a worker without a cluster', ['worker'], /--nats-url \(or GAN_NATS_URL\) was expected/],
];

describe('wrong use', () => {
  it.each(CASES)('%s: one clear line, exit status 2, nothing left behind', async (_, args, message) => {
    const folder = temporaryFolder();
    wrongData(folder);
    const before = readdirSync(folder, { recursive: true });
    const end = await ganCluster(args, { cwd: folder });
    expect(end.status).toBe(2);
    const lines = end.stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(message);
    expect(lines[0]).toMatch(/^error: /);
    // A hint where to look may follow what the command line's parser says; a stack trace never.
    expect(lines.slice(1).filter((line) => !/^\((.*--help|Did you mean)/.test(line))).toEqual([]);
    expect(readdirSync(folder, { recursive: true })).toEqual(before);
  });

  it.each([
    ['GAN_SHARDS', '0', ['train'], /value '0' from env 'GAN_SHARDS' is invalid/],
    [
      'GAN_NATS_SERVER',
      '/bin/ls',
      ['train', ...SYNTHETIC],
      /GAN_NATS_SERVER: a nats-server 2\.10 or newer was expected/,
    ],
  ] as const)('%s=%s in the environment is refused by name', async (name, value, args, message) => {
    const folder = temporaryFolder();
    const end = await ganCluster(args, { cwd: folder, env: { [name]: value } });
    expect(end.status).toBe(2);
    expect(end.stderr).toMatch(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('a Node without WebAssembly SIMD is refused', () => {
    const main = resolve(import.meta.dirname, '../../../dist/deploy/cli/main.js');
    const folder = temporaryFolder();
    let stderr = '';
    try {
      execFileSync(process.execPath, ['--jitless', main, 'train', ...SYNTHETIC], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      const failed = error as { status: number; stderr: Buffer };
      expect(failed.status).toBe(2);
      stderr = failed.stderr.toString();
    }
    expect(stderr).toMatch(/expected a Node with WebAssembly SIMD/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('a ring port that is taken is named', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => taken.once('listening', listening));
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as AddressInfo;
    const folder = temporaryFolder();
    // Told before the NATS server that is not there either.
    const end = await ganCluster(
      ['worker', '--ring-port', String(port), '--nats-url', 'nats://127.0.0.1:1'],
      { cwd: folder },
    );
    expect(end.status).toBe(2);
    expect(end.stderr).toMatch(/^error: .*cannot listen on 127\.0\.0\.1:\d+ for the ring: it is taken/);
  });
});

describe('a folder with a run in it', () => {
  it(
    'is refused for another run, is resumed only with what fits, and is left as it was',
    { timeout: 60_000 },
    async () => {
      const folder = temporaryFolder();
      const shape = ['--shards', '2', '--shard-batch', '8', '--steps', '10', '--out', 'run'];
      expect((await ganCluster(['train', ...SYNTHETIC, ...shape], { cwd: folder })).status).toBe(0);
      const before = readRunFile(join(folder, 'run'));

      const again = await ganCluster(['train', ...SYNTHETIC, ...shape], { cwd: folder });
      expect(again.status).toBe(2);
      expect(again.stderr).toMatch(/run holds run .* \(10 of 10 steps\): add --resume/);

      const other = await ganCluster(
        ['train', '--resume', '--out', 'run', '--seed', '9', '--shards', '4', '--shard-batch', '8'],
        { cwd: folder },
      );
      expect(other.status).toBe(2);
      expect(other.stderr).toMatch(/the recorded run differs in seed, shards/);

      const shorter = await ganCluster(['train', '--resume', '--out', 'run', '--steps', '5'], {
        cwd: folder,
      });
      expect(shorter.status).toBe(2);
      expect(shorter.stderr).toMatch(/stands at step 10 already, 5 steps were asked for/);

      expect(readRunFile(join(folder, 'run'))).toEqual(before);

      // Another processor or version shows as another fingerprint: here the record tells of one.
      await recordFingerprint(join(folder, 'run'), before.runId, 'e'.repeat(64));
      const elsewhere = await ganCluster(['train', '--resume', '--out', 'run', '--steps', '20'], {
        cwd: folder,
      });
      expect(elsewhere.stderr).toMatch(
        /^error: engine fingerprint eeeeeeeeeeee was expected, worker-\d has /,
      );
      expect(elsewhere.status).toBe(2);
      expect(readRunFile(join(folder, 'run'))).toEqual(before);
    },
  );
});

describe('more workers than shards', () => {
  it('keeps the extra ones as spares, says so, and gives the same bits', { timeout: 60_000 }, async () => {
    const folder = temporaryFolder();
    const shape = ['--shards', '2', '--shard-batch', '8', '--steps', '10'];
    const two = await ganCluster(['train', ...SYNTHETIC, ...shape, '--out', 'two', '--workers', '2'], {
      cwd: folder,
    });
    const three = await ganCluster(['train', ...SYNTHETIC, ...shape, '--out', 'three', '--workers', '3'], {
      cwd: folder,
    });
    expect([two.status, three.status]).toEqual([0, 0]);
    expect(three.stdout).toMatch(/3 workers for 2 shards: 1 will be spare/);
    expect(three.stdout).toMatch(/ring epoch \d+: .*, worker-\d spare/);
    expect(readRunFile(join(folder, 'three')).stateSha256).toBe(readRunFile(join(folder, 'two')).stateSha256);
  });
});

describe('losing processes', () => {
  it('a launcher killed by SIGKILL leaves no process behind', { timeout: 60_000 }, async () => {
    const folder = temporaryFolder();
    const run = new GanCluster(['train', ...SYNTHETIC, '--out', 'run', '--steps', '100000'], { cwd: folder });
    await run.printed('ring epoch');
    const members = processesOf(folder);
    expect(members.length).toBeGreaterThanOrEqual(5); // coordinator, two workers, nats-server and its tether
    run.child.kill('SIGKILL');
    await run.finished;
    await until(() => processesOf(folder).length === 0, 10_000);
  });
});

/** Changes the engine fingerprint in the run's record, as if another machine had begun the run. */
async function recordFingerprint(out: string, runId: string, engineFingerprint: string): Promise<void> {
  const { path } = await findNatsServer({ environment: process.env, cacheFolder: cacheFolder(process.env) });
  const server = await startNatsServer({ binary: path, storeFolder: join(out, '.cluster', 'nats') });
  try {
    const bus = await Bus.connect({ ...server, cluster: runId, name: 'test' });
    const kv = await bus.connection.jetstream().views.kv(runBucketName(runId));
    const record = (await kv.get('record'))?.json<{ spec: object }>();
    const changed = { ...record, spec: { ...record?.spec, engineFingerprint } };
    await kv.put('record', JSON.stringify(changed));
    await bus.close();
  } finally {
    await server.stop();
  }
}

interface ProcessLine {
  readonly pid: number;
  readonly command: string;
}

/** Processes that were started for a run in `folder`: their command line names it, or they work in it. */
function processesOf(folder: string): ProcessLine[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const all = lines.map((line) => {
    const [pid = '', ...command] = line.trim().split(/\s+/);
    return { pid: Number(pid), command: command.join(' ') };
  });
  return all.filter(({ command }) => command.includes(folder) && !command.startsWith('ps '));
}

/** Awaits a condition; fails after `deadlineMs`. */
async function until(condition: () => boolean, deadlineMs: number): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      if (condition()) return;
    } catch {
      // what it reads is not there yet
    }
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${condition.toString()}`);
    await delay(20);
  }
}
