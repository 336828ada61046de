import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { giveTo } from './checkout.js';
import { ComposeCluster } from './compose-cluster.js';
import { docker } from './docker.js';
import { openPorts, tryIn } from './look.js';
import { readRun, trainHere } from './reference.js';

const images = inject('containerImages');
const { MNIST_DIR } = process.env;
/** Short, with several shards: what is compared does not get better by being long. */
const STEPS = 120;
/** Somebody who is neither root nor the containers' user. */
const OWNER = 12_345;

describe.skipIf(images === null)('docker compose up cluster, from a fresh clone', () => {
  let cluster: ComposeCluster;
  const data = MNIST_DIR ?? 'synthetic';

  beforeAll(async () => {
    if (images === null) return;
    cluster = await ComposeCluster.create(images, {
      // Built by `up` itself; the layers are there.
      GAN_IMAGE: 'gan-cluster:test-up',
      GAN_STEPS: String(STEPS),
      ...(MNIST_DIR === undefined ? { GAN_DATA: 'synthetic' } : { GAN_DATA_DIR: MNIST_DIR }),
    });
    if (process.getuid?.() === 0) giveTo(OWNER, cluster.folder);
  });
  afterAll(async () => {
    if (images === null) return;
    await cluster.close();
    await docker('image', 'rm', '--force', 'gan-cluster:test-up');
  });

  it('builds, trains, shows its progress and ends with the run', async () => {
    const { status, stdout, stderr } = await cluster.compose(['up', 'cluster'], 600_000);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(new RegExp(`cluster-1 +\\| step \\d+/${STEPS} \\|`));
    expect(stdout).toContain(`${STEPS} steps done.`);
    // The others' logs are not in the way.
    expect(stdout).not.toMatch(/^(worker|coordinator|nats)-1/m);
    expect(await cluster.exitStatus('cluster')).toBe(0);
  });

  it('leaves everything but the watching and the training up, and healthy', async () => {
    const running = await cluster.must('ps', '--services', '--status', 'running');
    expect(running.split('\n').sort()).toEqual(['coordinator', 'grafana', 'nats', 'prometheus']);
    const unhealthy = await cluster.must('ps', '--format', '{{.Service}} {{.Health}}');
    await cluster.until('healthy containers', async () =>
      /unhealthy|starting/.test(await cluster.must('ps', '--format', '{{.Health}}')) ? null : true,
    );
    expect(unhealthy).not.toContain('unhealthy');
    const page = await fetch(`http://127.0.0.1:${cluster.pagePort}/`);
    expect(await page.text()).toContain('<title>');
  });

  it('listens where it is said, and nowhere else', async () => {
    const listening = async (service: string): Promise<[string, number[]]> => [
      service,
      await openPorts(await cluster.container(service)),
    ];
    expect(await Promise.all(['coordinator', 'nats', 'prometheus', 'grafana'].map(listening))).toEqual([
      ['coordinator', [8080, 9464]],
      ['nats', [4222]],
      ['prometheus', [9090]],
      ['grafana', [3000]],
    ]);
  });

  it('has an image that is small, without root, without tools to build with, and not to be written to', async () => {
    const bytes = Number(await docker('image', 'inspect', 'gan-cluster:test-up', '--format', '{{.Size}}'));
    expect(bytes).toBeLessThan(500_000_000);
    const id = await cluster.container('coordinator');
    expect(await tryIn(id, 'id -u')).toBe('10001\nstatus 0');
    expect(await tryIn(id, 'command -v gcc g++ make python3 npm npx')).toBe('status 127');
    for (const path of ['/app/x', '/usr/bin/x', '/etc/x', '/x'])
      expect(await tryIn(id, `touch ${path}`)).toMatch(
        /(Read-only file system|Permission denied)\nstatus 1$/,
      );
    for (const foreign of ['worker', 'watch', 'nats'])
      expect(await tryIn(id, `ls /run/secrets/gan/${foreign}`)).toBe('status 0');
  });

  it('tells no secret in its logs, nor to docker inspect', async () => {
    const told = [await cluster.must('logs')];
    for (const id of (await cluster.must('ps', '-aq')).split('\n')) told.push(await docker('inspect', id));
    expect(told.join('\n')).not.toMatch(/\bSU[A-Z2-7]{20,}/);
  });

  it('hands out the generator, which belongs to whoever owns the folder', async () => {
    const out = join(cluster.folder, 'generator');
    const told = await cluster.must('run', '--rm', 'fetch');
    const record = readRun(out);
    const owner = statSync(cluster.folder).uid;
    for (const { name, sha256 } of record.files) {
      const path = join(out, name);
      expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(sha256);
      expect(statSync(path).uid).toBe(owner);
      expect(told).toContain(sha256);
    }
    expect(record.files.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'generator.onnx',
        'generator.safetensors',
        'model.json',
        'weights.bin',
        'samples.png',
      ]),
    );
    expect(statSync(out).uid).toBe(owner);
  });

  it('has the bits of npm start', async () => {
    const here = await trainHere(['--data', data, '--steps', String(STEPS)]);
    const there = readRun(join(cluster.folder, 'generator'));
    const generator = ({ files }: typeof here) => files.find(({ name }) => name === 'generator.onnx')?.sha256;
    expect(there.stateSha256).toBe(here.stateSha256);
    expect(generator(there)).toBe(generator(here));
  });

  it('says of a finished run that it is finished, also when all containers were removed meanwhile', async () => {
    for (const before of [[], ['down']]) {
      if (before.length > 0) await cluster.must(...before);
      const { status, stdout } = await cluster.compose(['up', 'cluster']);
      expect(status).toBe(0);
      expect(stdout).toContain(`${STEPS} steps done`);
      expect(await cluster.exitStatus('cluster')).toBe(0);
    }
    expect(await cluster.must('logs', 'cluster')).toContain('this run was finished before');
  });

  it('goes on with a longer run where it stands', async () => {
    cluster.set({ GAN_STEPS: String(STEPS + 20) });
    const { stdout } = await cluster.compose(['up', 'cluster']);
    expect(stdout).toContain(`from step ${STEPS}`);
    expect(stdout).toContain(`${STEPS + 20} steps done.`);
    expect(await cluster.exitStatus('cluster')).toBe(0);
  });

  it('starts a new run for another RunSpec, and keeps the old one', async () => {
    cluster.set({ GAN_SEED: '2', GAN_STEPS: '20' });
    const { stdout } = await cluster.compose(['up', 'cluster']);
    expect(stdout).toContain('20 steps done.');
    const runs = await docker('exec', await cluster.container('coordinator'), 'ls', 'runs');
    expect(runs.split('\n').map((name) => name.replace(/-[0-9a-f]{8}$/, ''))).toEqual([
      'tutorial-4x32-seed1',
      'tutorial-4x32-seed2',
    ]);
  });

  it('trains on after Ctrl-C on the watching, and says how to stop it', async () => {
    cluster.set({ GAN_SEED: '3', GAN_STEPS: '4000', GAN_SHARD_BATCH: '8' });
    const { stdout } = await cluster.compose(['up', 'cluster'], 120_000, '| step ');
    expect(stdout).toContain('Ctrl-C ends the watching, not the run');
    expect(stdout).toContain('"docker compose stop" stops it with a checkpoint');
    expect(await cluster.exitStatus('cluster')).toBe(130);
    expect(await cluster.containers('worker')).toHaveLength(2);
    await cluster.reach(100);
  });

  it('hands out the generator of a run that goes on, as it is now', async () => {
    const told = await cluster.must('run', '--rm', 'fetch', '--newest', '--out', 'newest');
    const path = join(cluster.folder, 'newest/generator.onnx');
    expect(told).toContain(createHash('sha256').update(readFileSync(path)).digest('hex'));
    expect(statSync(path).uid).toBe(statSync(cluster.folder).uid);
    expect(await cluster.artifacts()).toMatchObject({ outcome: 'running' });
  });

  it('stops with a checkpoint, and resumes from it', async () => {
    await cluster.must('stop');
    expect(await cluster.exitStatus('coordinator')).toBe(130);
    const { stdout } = await cluster.compose(['logs', 'coordinator', '--no-log-prefix']);
    const [, step] = /stopped at step (\d+) of 4000, with a checkpoint/.exec(stdout) ?? [];
    expect(Number(step)).toBeGreaterThanOrEqual(100);
    await cluster.must('up', '-d', 'cluster');
    await cluster.reach(Number(step));
    await cluster.until(`the word that it goes on from step ${step}`, async () =>
      (await cluster.must('logs', 'cluster', '--no-log-prefix')).includes(`from step ${step}`) ? true : null,
    );
    await cluster.must('stop', '--timeout', '1');
  });

  it('tells what is wrong with the data, in one line and with status 2', async () => {
    const empty = join(cluster.folder, 'empty');
    mkdirSync(empty);
    cluster.set({ GAN_DATA: '', GAN_DATA_DIR: empty });
    const { stdout } = await cluster.compose(['up', 'cluster']);
    expect(stdout).toMatch(/cluster-1 +\| error: .*\/mnist/);
    expect(await cluster.exitStatus('cluster')).toBe(2);
  });
});
