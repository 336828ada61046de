import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchResult, type FetchOptions } from '../../../deploy/fetch/index.js';
import { artifactsSchema } from '../../../proto/artifacts.js';
import { OperationalError, UsageError } from '../../../proto/index.js';
import { HttpEndpoint } from '../../../proto/runtime/http-endpoint.js';
import { ganCluster, temporaryFolder } from '../cluster/gan-cluster.js';
import { ServedRun } from './served-run.js';

const PATIENTLY = { timeout: 20_000 };
const FILES = { 'generator.onnx': new Uint8Array(5_000).fill(7), 'samples.png': Uint8Array.of(1, 2, 3) };
const WITH_DISCRIMINATOR = { ...FILES, 'discriminator.onnx': new Uint8Array(100).fill(1) };

let served: ServedRun;
let out: string;
let said: string[];

beforeEach(async () => {
  served = await ServedRun.start();
  out = join(temporaryFolder(), 'generator');
  said = [];
});
afterEach(() => served.close());

const options = (): FetchOptions => ({
  ...{ url: served.url, out, waitMs: 0, interrupt: new AbortController().signal },
  ...{ newest: false, discriminator: false },
  say: (line: string) => void said.push(line),
});

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const original = (name: string): string => join(served.folder.path, name);

describe('fetch', () => {
  it('brings every file of the result, and keeps what is there already', async () => {
    await served.finish('done', FILES);
    const fetched = await fetchResult(options());
    expect(readdirSync(out).sort()).toEqual(['generator.onnx', 'run.json', 'samples.png']);
    expect(fetched).toMatchObject({ runId: 'run', kind: 'final', step: 20, steps: 20 });
    expect(fetched.files.map(({ name }) => name)).toEqual(['generator.onnx', 'samples.png', 'run.json']);
    for (const name of readdirSync(out)) expect(sha256(join(out, name))).toBe(sha256(original(name)));
    const { mtimeMs } = statSync(join(out, 'generator.onnx'));
    writeFileSync(join(out, 'samples.png'), 'changed');
    const again = await fetchResult(options());
    expect(again.files.map(({ wasThere }) => wasThere)).toEqual([true, false, true]);
    expect(statSync(join(out, 'generator.onnx')).mtimeMs).toBe(mtimeMs);
    expect(sha256(join(out, 'samples.png'))).toBe(sha256(original('samples.png')));
  });

  it('says how far a run is that has no generator yet, and leaves nothing', async () => {
    await expect(fetchResult(options())).rejects.toThrow(
      'there is no final generator yet: run run waits for workers: 0 of 2 ready, 0 getting ready, at step 0 of 20',
    );
    served.run.train('a', 'b');
    served.run.reach(6);
    await expect(fetchResult(options())).rejects.toThrow('run run trains, at step 3 of 20');
    await served.finish('failed', FILES);
    await expect(fetchResult(options())).rejects.toThrow('there is no final generator yet');
    expect(existsSync(out)).toBe(false);
  });

  it('gives nothing of a run that was made longer before that is done', async () => {
    await served.finish('done', FILES);
    served.run.state = { ...served.run.state, plan: { ...served.run.state.plan, steps: 40 } };
    await expect(fetchResult(options())).rejects.toThrow('there is no final generator yet');
  });

  it('keeps nothing of a file that is not what was told', async () => {
    await served.finish('done', FILES);
    writeFileSync(original('generator.onnx'), new Uint8Array(5_000).fill(8));
    const fetched = fetchResult(options());
    await expect(fetched).rejects.toThrow(OperationalError);
    await expect(fetched).rejects.toThrow('generator.onnx was expected with SHA-256');
    expect(readdirSync(out)).toEqual([]);
  });

  it('gives no file its name before all have come', async () => {
    await served.finish('done', FILES);
    writeFileSync(original('samples.png'), Uint8Array.of(3, 2, 1));
    mkdirSync(out);
    writeFileSync(join(out, 'generator.onnx'), 'of another run');
    await expect(fetchResult(options())).rejects.toThrow('samples.png was expected with SHA-256');
    expect(readFileSync(join(out, 'generator.onnx'), 'utf8')).toBe('of another run');
  });

  it('demands the discriminator where it is asked for', async () => {
    await served.finish('done', FILES);
    await expect(fetchResult({ ...options(), discriminator: true })).rejects.toThrow(
      'its result has no discriminator: resume it with --discriminator',
    );
    await served.finish('done', WITH_DISCRIMINATOR);
    await fetchResult({ ...options(), discriminator: true });
    expect(readdirSync(out)).toContain('discriminator.onnx');
  });

  it('tells in words that nobody answers, or somebody else', async () => {
    await expect(fetchResult({ ...options(), url: 'http://127.0.0.1:1' })).rejects.toThrow(UsageError);
    const { status, stderr } = await ganCluster(['fetch', '--url', 'http://127.0.0.1:1', '--wait-s', '0.1']);
    expect(status).toBe(2);
    expect(stderr).toContain('no coordinator answers at http://127.0.0.1:1');
    const other = await HttpEndpoint.listen({
      ...{ app: new Hono(), host: '127.0.0.1', port: 0, flag: '' },
    });
    const elsewhere = { ...options(), url: `http://127.0.0.1:${other.port}` };
    for (const newest of [false, true])
      await expect(fetchResult({ ...elsewhere, newest })).rejects.toThrow(
        'a gan-cluster coordinator of this version was expected at',
      );
    await other.close();
  });

  it('tells in words that the folder cannot be had, or not be written to', async (context) => {
    await served.finish('done', FILES);
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    await expect(fetchResult({ ...options(), out: join(file, 'generator') })).rejects.toThrow('--out: ');
    if (process.getuid?.() === 0) context.skip('root may write to every folder');
    mkdirSync(out);
    chmodSync(out, 0o500);
    const refused = fetchResult(options());
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(`--out: generator.onnx cannot be written to ${out}`);
  });

  it('says in one line that the disk is full, and goes on when there is room', async (context) => {
    if (!existsSync('/dev/full')) context.skip('there is no /dev/full here');
    await served.finish('done', FILES);
    // What is written through this name finds no room.
    mkdirSync(out);
    const part = `generator.onnx.${sha256(original('generator.onnx')).slice(0, 12)}.part`;
    symlinkSync('/dev/full', join(out, part));
    const full = fetchResult(options());
    await expect(full).rejects.toThrow(
      `--out: the disk of ${out} is full, 5000 bytes of generator.onnx are missing: make room and fetch again`,
    );
    await expect(full).rejects.not.toThrow(UsageError);
    rmSync(join(out, part));
    await fetchResult(options());
    expect(sha256(join(out, 'generator.onnx'))).toBe(sha256(original('generator.onnx')));
  });

  it('writes as the owner of the folder', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can become another user');
    await served.finish('done', FILES);
    const theirs = temporaryFolder();
    chownSync(theirs, 12_345, 12_345);
    const to = ['--url', served.url, '--out', join(theirs, 'generator'), '--as-owner'];
    const { status, stderr } = await ganCluster(['fetch', ...to]);
    expect(status, stderr).toBe(0);
    expect(statSync(join(theirs, 'generator', 'run.json')).uid).toBe(12_345);
    chmodSync(join(theirs, 'generator'), 0o500);
    writeFileSync(join(theirs, 'generator', 'samples.png'), 'changed');
    const refused = await ganCluster(['fetch', ...to]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/^error: --out: samples\.png cannot be written to [^\n]+\n$/);
  });
});

describe('fetch --list', () => {
  it('tells what there is, for people and for programs, and writes nothing', async () => {
    await served.keep(12, FILES);
    served.run.train('a', 'b');
    const { folder, url } = served;
    const running = await ganCluster(['fetch', '--list', '--url', url]);
    expect(running).toMatchObject({ status: 0, stderr: '' });
    const lines = running.stdout.split('\n');
    expect(lines.slice(0, 3)).toEqual([
      'run run trains, at step 0 of 20',
      'final generator: none yet',
      `newest generator, step 12 (state ${'b'.repeat(64)}):`,
    ]);
    expect(lines[3]).toMatch(/^ {2}generator\.onnx +5000 bytes {2}[0-9a-f]{64}$/);
    await served.finish('done', FILES);
    const done = await ganCluster(['fetch', '--list', '--json', '--url', url], { cwd: folder.path });
    const listing = artifactsSchema.parse(JSON.parse(done.stdout));
    expect(listing).toMatchObject({ runId: 'run', outcome: 'done', steps: 20, newest: { step: 12 } });
    expect(listing.files.map(({ name }) => name)).toEqual(['generator.onnx', 'samples.png', 'run.json']);
    expect(served.asked).toEqual([]);
    expect(existsSync(join(folder.path, 'generator'))).toBe(false);
  });
});

describe('fetch --newest', () => {
  const newest = (extra: Partial<FetchOptions> = {}): FetchOptions => ({
    ...options(),
    ...{ newest: true, waitMs: 10_000 },
    ...extra,
  });

  it('waits until the generator is exported, and brings it with a record of its own', async () => {
    served.run.train('a', 'b');
    served.answer = { kind: 'coming' };
    const fetching = fetchResult(newest());
    await expect
      .poll(() => said, PATIENTLY)
      .toEqual(['waiting for the newest generator: run run trains, at step 0 of 20 ...']);
    await served.keep(12, FILES);
    served.answer = { kind: 'kept' };
    expect(await fetching).toMatchObject({
      kind: 'newest',
      step: 12,
      steps: 20,
      stateSha256: 'b'.repeat(64),
    });
    const record = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as Record<string, unknown>;
    expect(record).toMatchObject({ outcome: 'running', stepsDone: 12 });
    expect(served.asked.every((networks) => networks.join() === 'generator')).toBe(true);
  });

  it('asks for the discriminator, and brings it', async () => {
    await served.keep(12, WITH_DISCRIMINATOR);
    served.answer = { kind: 'kept' };
    await fetchResult(newest({ discriminator: true }));
    expect(served.asked).toEqual([['generator', 'discriminator']]);
    expect(readdirSync(out)).toContain('discriminator.onnx');
  });

  it('brings the result when the run is done meanwhile', async () => {
    served.run.train('a', 'b');
    served.answer = { kind: 'coming' };
    const fetching = fetchResult(newest());
    await expect.poll(() => served.asked.length, PATIENTLY).toBeGreaterThan(0);
    await served.finish('done', FILES);
    expect(await fetching).toMatchObject({ kind: 'final', step: 20 });
  });

  it('says how far a run is that has none, at once and with status 1', async () => {
    const { status, stderr } = await ganCluster(['fetch', '--newest', '--url', served.url, '--out', out]);
    expect(status).toBe(1);
    expect(stderr).toBe(
      'error: there is no generator yet: run run waits for workers: 0 of 2 ready, 0 getting ready, at step 0 of 20\n',
    );
    served.run.train('a', 'b');
    served.answer = { kind: 'failed', text: 'disk full' };
    await expect(fetchResult(newest())).rejects.toThrow('run run could not export it: disk full, at step 0');
    served.answer = { kind: 'coming' };
    await expect(fetchResult(newest({ waitMs: 100 }))).rejects.toThrow(
      'no generator came within 0.1 s: run run trains, at step 0 of 20; fetch again, or wait longer by --wait-s',
    );
    expect(existsSync(out)).toBe(false);
  });

  it('says that the cluster is gone when it goes meanwhile', async () => {
    served.run.train('a', 'b');
    served.answer = { kind: 'coming' };
    const { url } = served;
    const fetching = fetchResult(newest({ url, waitMs: 700 }));
    const refused = expect(fetching).rejects.toThrow(`the coordinator at ${url} answers no more`);
    await expect.poll(() => said.length, PATIENTLY).toBeGreaterThan(0);
    await served.close();
    await refused;
    await expect(fetching).rejects.not.toThrow(UsageError);
  });

  it('prints one JSON object that tells what was fetched', async () => {
    await served.keep(12, FILES);
    served.answer = { kind: 'kept' };
    const { stdout } = await ganCluster(['fetch', '--newest', '--json', '--url', served.url, '--out', out]);
    const told = JSON.parse(stdout) as { files: { name: string; sha256: string }[] };
    expect(told).toMatchObject({ runId: 'run', kind: 'newest', step: 12, out });
    for (const file of told.files) expect(sha256(join(out, file.name))).toBe(file.sha256);
  });
});

describe('what a coordinator gives out', () => {
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    fetch(`${served.url}/artifacts/${path}`, { headers, method });

  it('is what it lists, from any byte on, and nothing else', async () => {
    await served.keep(12, FILES);
    await served.finish('done', FILES);
    writeFileSync(original('secret'), 'x');
    mkdirSync(original('.cluster'));
    writeFileSync(original('.cluster/nats.creds'), 'x');
    for (const folder of ['', 'newest/12/']) {
      const rest = await get(`${folder}generator.onnx`, { range: 'bytes=4990-' });
      expect([rest.status, rest.headers.get('content-range')]).toEqual([206, 'bytes 4990-4999/5000']);
      expect((await rest.arrayBuffer()).byteLength).toBe(10);
      expect((await get(`${folder}generator.onnx`, { range: 'bytes=5000-' })).status).toBe(416);
    }
    const wrong = [
      'secret',
      '.cluster/nats.creds',
      '..%2f..%2fetc%2fpasswd',
      '%2fetc%2fpasswd',
      '.newest/12/run.json',
    ];
    for (const path of [...wrong, 'newest/12/secret', 'newest/11/run.json', 'newest/12/..%2f12%2frun.json'])
      expect([path, (await get(path)).status]).toEqual([path, 404]);
  });

  it('is the whole of a file that is another one than was begun with', async () => {
    const [file] = await served.finish('done', FILES);
    const etag = `"${file?.sha256 ?? ''}"`;
    const same = await get('generator.onnx', { range: 'bytes=4990-', 'if-range': etag });
    expect([same.status, same.headers.get('etag')]).toEqual([206, etag]);
    const other = await get('generator.onnx', { range: 'bytes=4990-', 'if-range': '"other"' });
    expect([other.status, other.headers.get('content-length')]).toEqual([200, '5000']);
  });

  it('is told without a body to who asks for that', async () => {
    await served.finish('done', FILES);
    const head = await get('generator.onnx', {}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '5000']);
    expect((await get('generator.onnx', {}, 'POST')).status).toBe(404);
  });

  it('is asked for by reading, and answered with 202 while it is being made', async () => {
    served.run.train('a', 'b');
    served.answer = { kind: 'coming' };
    expect((await get('newest/')).status).toBe(202);
    expect((await get('newest/?discriminator')).status).toBe(202);
    expect(served.asked).toEqual([['generator'], ['generator', 'discriminator']]);
    expect((await get('')).status).toBe(200);
    expect(served.asked).toHaveLength(2);
  });
});
