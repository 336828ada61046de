import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { runArtifacts } from '../../../coordinator/artifacts.js';
import { History } from '../../../coordinator/history.js';
import { LiveFeed } from '../../../coordinator/live/live-feed.js';
import type { ArtifactSource } from '../../../coordinator/live/index.js';
import { LiveServer } from '../../../coordinator/live/live-server.js';
import { NewestShelf } from '../../../coordinator/newest-shelf.js';
import { ResultFolder } from '../../../coordinator/result-folder.js';
import { statusOf } from '../../../coordinator/status.js';
import { UsageError } from '../../../proto/index.js';
import { liveMessageSchema, type LiveMessage } from '../../../proto/live.js';
import { Driver, rowsOf } from '../../unit/coordinator/driver.js';

const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);

let folder: string;
let run: Driver;
let history: History;
let feed: LiveFeed;
let server: LiveServer;
let result: ArtifactSource;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gan-live-'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'page.js'), '// page');
  writeFileSync(join(folder, 'page.css'), '/* page */');
  run = new Driver();
  run.train('a', 'b');
  history = new History();
  history.append(rowsOf([0, 1, 2, 3]), 1);
  feed = new LiveFeed({
    ...{ coordinator: 'c1', history, state: () => run.state, nowMs: () => run.nowMs, unixMs: () => 0 },
    status: () => statusOf(run.state, history.last, null),
    sampleSteps: () => [10, 20],
    events: { earlier: [], add: () => undefined },
  });
  result = runArtifacts(
    {
      status: () => statusOf(run.state, history.last, null),
      now: run.state,
      askForNewest: () => ({ kind: 'none' }),
    },
    new ResultFolder(folder),
    await NewestShelf.open(folder),
  );
  server = await LiveServer.listen(options());
});

afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const options = () => ({
  ...{ host: '127.0.0.1', port: 0, allowedHosts: ['gan.example'], feed },
  pageFolder: pathToFileURL(`${folder}/`),
  samplePng: (step: number) => (step === 10 ? PNG : null),
  result,
});

const get = (path: string, host?: string): Promise<{ status: number; headers: Record<string, unknown> }> =>
  new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { host };
    const asked = request({ port: server.port, host: '127.0.0.1', path, headers }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers });
    });
    asked.on('error', reject).end();
  });

interface Page {
  readonly socket: WebSocket;
  readonly messages: LiveMessage[];
  until(kind: LiveMessage['kind']): Promise<LiveMessage>;
}

/** A page that checks what it is told by its schema. */
async function openPage(headers: Record<string, string> = {}): Promise<Page> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/live`, { headers });
  const messages: LiveMessage[] = [];
  const until = async (kind: LiveMessage['kind']): Promise<LiveMessage> => {
    for (;;) {
      const found = messages.find((message) => message.kind === kind);
      if (found !== undefined) return found;
      await once(socket, 'message');
    }
  };
  socket.on('message', (data: Buffer) =>
    messages.push(liveMessageSchema.parse(JSON.parse(data.toString('utf8')))),
  );
  await once(socket, 'open');
  return { socket, messages, until };
}

describe('the live page', () => {
  it('is served with its parts and its pictures, and nothing else is', async () => {
    const page = await get('/');
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect((await get('/page.js')).headers['content-type']).toContain('javascript');
    expect((await get('/page.css')).status).toBe(200);
    expect((await get('/samples/10.png')).headers['content-type']).toBe('image/png');
    for (const path of [
      '/samples/11.png',
      '/samples/..%2f..%2fetc%2fpasswd',
      '/../../etc/passwd',
      '/run.json',
    ])
      expect((await get(path)).status).toBe(404);
  });

  it('is served by allowed names only', async () => {
    expect((await get('/', 'gan.example:80')).status).toBe(200);
    expect((await get('/', 'evil.example')).status).toBe(403);
  });

  it('cannot have a port that is taken, and says which', async () => {
    const again = LiveServer.listen({ ...options(), port: server.port });
    await expect(again).rejects.toThrow(UsageError);
    await expect(again).rejects.toThrow(
      `--http-port: a free port was expected, 127.0.0.1:${server.port} is taken`,
    );
  });
});

describe('whoever watches', () => {
  it('is first told all there is', async () => {
    const page = await openPage();
    await page.until('now');
    expect(page.messages.map(({ kind }) => kind)).toEqual(['run', 'curve', 'events', 'samples', 'now']);
    const now = await page.until('now');
    expect(now).toMatchObject({
      workers: [
        { name: 'a', rank: 0, role: 'member' },
        { name: 'b', rank: 1 },
      ],
    });
    page.socket.terminate();
  });

  it('then hears what is new, with all others', async () => {
    const pages = await Promise.all([openPage(), openPage()]);
    const change = { event: { kind: 'tick' }, before: run.state, after: run.state, nowMs: 0 } as const;
    feed.onChange({ ...change, commands: [{ kind: 'say', level: 'info', text: 'a left' }] });
    history.append(rowsOf([4, 5]), 2);
    for (const { socket, messages } of pages) {
      const told = (): boolean =>
        messages.some((message) => message.kind === 'events' && message.events[0]?.text === 'a left') &&
        messages.some((message) => message.kind === 'curve' && message.generatorLoss.length === 3);
      while (!told()) await once(socket, 'message');
      socket.terminate();
    }
  });

  it('hears the last word, and nothing after it', async () => {
    const page = await openPage();
    await page.until('now');
    const closed = once(page.socket, 'close');
    const lastWord = { kind: 'ended', outcome: 'done', message: '20 steps done' };
    await server.end('done', '20 steps done');
    const late = await openPage();
    await late.until('ended');
    expect(late.messages.map(({ kind }) => kind)).toEqual([
      ...['run', 'curve', 'events', 'samples', 'now', 'ended'],
    ]);
    expect(late.messages.at(-1)).toEqual(lastWord);
    await server.close();
    await closed;
    expect(page.messages.at(-1)).toEqual(lastWord);
  });

  it('may be a hundred at once', async () => {
    const pages = await Promise.all(Array.from({ length: 100 }, () => openPage()));
    await Promise.all(pages.map((page) => page.until('now')));
    for (const { socket } of pages) socket.terminate();
  });

  it('and says rubbish is not heard; who says much is let go; the others go on', async () => {
    const [quiet, noisy, loud] = await Promise.all([openPage(), openPage(), openPage()]);
    for (const rubbish of ['', '{', '{"kind":"now"}', Buffer.of(0, 255, 1)]) noisy.socket.send(rubbish);
    const closed = once(loud.socket, 'close');
    loud.socket.send('x'.repeat(100_000));
    await closed;
    const seen = noisy.messages.length;
    while (noisy.messages.length <= seen + 5) await once(noisy.socket, 'message');
    await quiet.until('now');
    for (const { socket } of [quiet, noisy]) socket.terminate();
  });

  it('from the page of a stranger is refused', async () => {
    await expect(openPage({ origin: 'http://evil.example' })).rejects.toThrow('403');
    await expect(openPage({ host: 'evil.example' })).rejects.toThrow('403');
    const page = await openPage({ origin: `http://127.0.0.1:${server.port}` });
    page.socket.terminate();
  });
});
