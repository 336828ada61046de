import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PreparingPage } from '../../../coordinator/live/index.js';
import { findNatsServer, startNatsServer } from '../../../deploy/nats-server/index.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';
import { freePort } from '../../chaos/free-port.js';
import { GanCluster, ganCluster, temporaryFolder, type Finished } from '../cluster/gan-cluster.js';

const fetchFrom = (port: number, ...flags: string[]): Promise<Finished> =>
  ganCluster([
    'fetch',
    '--url',
    `http://127.0.0.1:${port}`,
    '--out',
    join(temporaryFolder(), 'generator'),
    ...flags,
  ]);

describe('a coordinator of which there is no generator yet', { timeout: 60_000 }, () => {
  let nats: Awaited<ReturnType<typeof startNatsServer>>;
  let store: string;

  beforeAll(async () => {
    store = mkdtempSync(join(tmpdir(), 'gan-cluster-test-'));
    const { path } = await findNatsServer({
      environment: process.env,
      cacheFolder: cacheFolder(process.env),
    });
    nats = await startNatsServer({ binary: path, storeFolder: store });
  });
  afterAll(async () => {
    await nats.stop();
    rmSync(store, { recursive: true, force: true });
  });

  const coordinator = (port: number, ...flags: string[]): GanCluster =>
    new GanCluster(
      [
        'coordinator',
        ...['--nats-url', nats.url, '--http-port', String(port), '--cluster', `c${port}`, ...flags],
        ...(nats.credentialsFile === undefined ? [] : ['--nats-creds-file', nats.credentialsFile]),
      ],
      { cwd: temporaryFolder() },
    );

  it('waits for its workers: that is said, by number, with status 1', async () => {
    const port = await freePort();
    const waiting = coordinator(port, '--data', 'synthetic', '--workers', '2', '--run-id', 'first');
    const words = 'run first waits for workers: 0 of 2 ready, 0 getting ready, at step 0 of 9360';
    for (const [flags, line] of [
      [['--newest'], `error: there is no generator yet: ${words}\n`],
      [
        [],
        `error: there is no final generator yet: ${words}; fetch it when the run is done, or what there is by --newest\n`,
      ],
    ] as const) {
      const { status, stderr } = await fetchFrom(port, '--wait-s', '30', ...flags);
      expect([status, stderr]).toEqual([1, line]);
    }
    const listed = await fetchFrom(port, '--list');
    expect(listed).toMatchObject({ status: 0, stdout: expect.stringContaining(words) as string });
    waiting.interrupt();
    expect((await waiting.finished).status).toBe(130);
  });

  it('has failed before there was a run, and stays to say so', async () => {
    const data = join(temporaryFolder(), 'empty');
    mkdirSync(data);
    const port = await freePort();
    const failed = coordinator(port, '--data', data, '--service');
    const { status, stderr } = await fetchFrom(port, '--newest', '--wait-s', '30');
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^error: there is no generator yet: the run has failed: [^\n]*it is empty[^\n]*\n$/,
    );
    failed.interrupt();
    await failed.finished;
  });
});

describe('before there is a run', () => {
  it('the page in its place says what is being done, to whoever asks for files as well', async () => {
    const port = await freePort();
    let text = 'MNIST: 1 of 10 MB';
    const page = new PreparingPage({ host: '127.0.0.1', port, allowedHosts: [] }, () => text);
    await page.open();
    const shown = await fetch(`http://127.0.0.1:${port}/`);
    expect(await shown.text()).toBe('The run is being prepared: MNIST: 1 of 10 MB\n');
    text = 'MNIST: 2 of 10 MB';
    const { status, stderr } = await fetchFrom(port, '--newest');
    expect([status, stderr]).toEqual([
      1,
      'error: there is no generator yet: the run is being prepared: MNIST: 2 of 10 MB\n',
    ]);
    await page.close();
    // Another one has the port: then nobody is told anything.
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    await page.open();
    await page.close();
    other.close();
  });

  it('no page opens where nobody could find it', async () => {
    const page = new PreparingPage({ host: '127.0.0.1', port: 0, allowedHosts: [] }, () => '');
    await page.open();
    await page.close();
  });

  it('a stranger is not told', async () => {
    const port = await freePort();
    const page = new PreparingPage({ host: '127.0.0.1', port, allowedHosts: [] }, () => 'x');
    await page.open();
    const answer = await fetch(`http://127.0.0.1:${port}/artifacts/`, {
      headers: { origin: 'http://evil.example' },
    });
    expect(answer.status).toBe(403);
    await page.close();
  });
});
