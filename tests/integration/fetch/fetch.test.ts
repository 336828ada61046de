import { createHash } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pageApp } from '../../../coordinator/live/page-app.js';
import { ResultFolder, type RunFile } from '../../../coordinator/result-folder.js';
import { initialRunState } from '../../../coordinator/run-state.js';
import { fetchResult } from '../../../deploy/fetch/index.js';
import { OperationalError, UsageError } from '../../../proto/index.js';
import { HttpEndpoint } from '../../../proto/runtime/http-endpoint.js';
import { ganCluster, temporaryFolder } from '../cluster/gan-cluster.js';
import { Driver } from '../../unit/coordinator/driver.js';

const RUN = { runId: 'r1', step: 20, steps: 20 };

let source: ResultFolder;
let out: string;
let endpoint: HttpEndpoint;
let said: string[];

/** A result as a coordinator leaves it. */
async function writeResult(outcome: RunFile['outcome']): Promise<void> {
  const files = [
    await source.write('generator.onnx', new Uint8Array(5_000).fill(7)),
    await source.write('samples.png', Uint8Array.of(1, 2, 3)),
  ];
  const run = new Driver();
  run.train('a');
  const { spec } = initialRunState(
    run.state.plan,
    run.state.spec,
    { checkpoint: null, ringEpoch: 0, world: [], trustedFrom: 0 },
    1,
    0,
  );
  await source.writeRunFile({
    ...{
      runId: 'r1',
      outcome,
      spec: { ...spec, engineFingerprint: 'f'.repeat(64) },
      stepsPlanned: 20,
      stepsDone: 20,
    },
    ...{
      stateSha256: 'a'.repeat(64),
      startedAt: '',
      trainingS: 1,
      imagesPerSecond: 1,
      workers: [],
      firstStep: 0,
    },
    ...{ ringEpochs: 1, files },
  });
}

beforeEach(async () => {
  source = new ResultFolder(temporaryFolder());
  out = join(temporaryFolder(), 'generator');
  said = [];
  const app = pageApp({
    pageFolder: new URL('file:///nowhere/'),
    samplePng: () => null,
    allowedHosts: [],
    result: { folder: source.path, artifacts: () => source.artifacts(RUN) },
  });
  endpoint = await HttpEndpoint.listen({ app, host: '127.0.0.1', port: 0, flag: '--http-port' });
});

afterEach(() => endpoint.close());

const url = (): string => `http://127.0.0.1:${endpoint.port}`;
const options = () => ({
  ...{ url: url(), out, waitMs: 0, interrupt: new AbortController().signal },
  say: (line: string) => void said.push(line),
});

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('fetch', () => {
  it('brings every file of the result, and keeps what is there already', async () => {
    await writeResult('done');
    await fetchResult(options());
    expect(readdirSync(out).sort()).toEqual(['generator.onnx', 'run.json', 'samples.png']);
    expect(sha256(join(out, 'generator.onnx'))).toBe(sha256(join(source.path, 'generator.onnx')));
    const { mtimeMs } = statSync(join(out, 'generator.onnx'));
    writeFileSync(join(out, 'samples.png'), 'changed');
    await fetchResult(options());
    expect(statSync(join(out, 'generator.onnx')).mtimeMs).toBe(mtimeMs);
    expect(sha256(join(out, 'samples.png'))).toBe(sha256(join(source.path, 'samples.png')));
  });

  it('says how far a run is that has no generator yet, and leaves nothing', async () => {
    await expect(fetchResult(options())).rejects.toThrow('run r1 is at step 20 of 20');
    await writeResult('failed');
    await expect(fetchResult(options())).rejects.toThrow('run r1 has failed at step 20 of 20');
    expect(existsSync(out)).toBe(false);
  });

  it('keeps nothing of a file that is not what was told', async () => {
    await writeResult('done');
    writeFileSync(join(source.path, 'generator.onnx'), new Uint8Array(5_000).fill(8));
    const fetched = fetchResult(options());
    await expect(fetched).rejects.toThrow(OperationalError);
    await expect(fetched).rejects.toThrow('generator.onnx was expected with SHA-256');
    expect(readdirSync(out)).toEqual([]);
  });

  it('tells in words that nobody answers, or somebody else', async () => {
    await expect(fetchResult({ ...options(), url: 'http://127.0.0.1:1' })).rejects.toThrow(UsageError);
    const { status, stderr } = await ganCluster(['fetch', '--url', 'http://127.0.0.1:1', '--wait-s', '0.1']);
    expect(status).toBe(2);
    expect(stderr).toContain('no coordinator answers at http://127.0.0.1:1');
  });

  it('tells in words that the folder cannot be had', async () => {
    await writeResult('done');
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    await expect(fetchResult({ ...options(), out: join(file, 'generator') })).rejects.toThrow('--out: ');
  });

  it('writes as the owner of the folder', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can become another user');
    await writeResult('done');
    const theirs = temporaryFolder();
    chownSync(theirs, 12_345, 12_345);
    const { status, stderr } = await ganCluster([
      'fetch',
      '--url',
      url(),
      '--out',
      join(theirs, 'generator'),
      '--as-owner',
    ]);
    expect(status, stderr).toBe(0);
    expect(statSync(join(theirs, 'generator', 'run.json')).uid).toBe(12_345);
  });
});

describe('what a coordinator gives out', () => {
  it('is what it lists, from any byte on, and nothing else', async () => {
    await writeResult('done');
    writeFileSync(join(source.path, 'secret'), 'x');
    mkdirSync(join(source.path, '.cluster'));
    writeFileSync(join(source.path, '.cluster', 'nats.creds'), 'x');
    const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${url()}/artifacts/${path}`, { headers });
    const rest = await get('generator.onnx', { range: 'bytes=4990-' });
    expect([rest.status, rest.headers.get('content-range')]).toEqual([206, 'bytes 4990-4999/5000']);
    expect((await rest.arrayBuffer()).byteLength).toBe(10);
    expect((await get('generator.onnx', { range: 'bytes=5000-' })).status).toBe(416);
    for (const path of ['secret', '.cluster/nats.creds', '..%2f..%2fetc%2fpasswd', '%2fetc%2fpasswd'])
      expect((await get(path)).status).toBe(404);
  });
});
