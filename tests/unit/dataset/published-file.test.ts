import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeIdx } from '../../../coordinator/dataset/idx.js';
import {
  loadPublishedFile,
  type DownloadProgress,
  type FetchOptions,
  type PublishedFile,
} from '../../../coordinator/dataset/published-file.js';
import { OperationalError } from '../../../proto/index.js';

const data = Uint8Array.from({ length: 40 * 28 * 28 }, (_, i) => (i * i) >>> 3);
const whole = encodeIdx({ dimensions: [40, 28, 28], data });
const packed = gzipSync(whole);
const file: PublishedFile = {
  name: 'images-idx3-ubyte',
  words: 'the images',
  bytes: whole.length,
  md5: createHash('md5').update(whole).digest('hex'),
  sha256: createHash('sha256').update(data).digest('hex'),
};

let folder = '';
const servers: Server[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'published-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

/** Starts a mirror; returns its address. */
async function mirror(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mnist/`;
}

const sends =
  (bytes: Uint8Array): RequestListener =>
  (_, response) =>
    void response.end(bytes);

const load = (mirrors: string[], options: Partial<FetchOptions> = {}): ReturnType<typeof loadPublishedFile> =>
  loadPublishedFile(file, folder, { mirrors, ...options });

async function failure(promise: Promise<unknown>): Promise<OperationalError> {
  const error: unknown = await promise.then(
    () => 'nothing thrown',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OperationalError);
  const { message } = error as OperationalError;
  expect(message).not.toContain('\n');
  return error as OperationalError;
}

describe('loadPublishedFile', () => {
  it('downloads, tells how far it is, keeps the file unpacked, and takes it from there the next time', async () => {
    const asked: (string | undefined)[] = [];
    const progress: DownloadProgress[] = [];
    const url = await mirror((request, response) => {
      asked.push(request.url);
      response.setHeader('content-length', packed.length);
      response.end(packed);
    });
    const array = await load([url], { onProgress: (step) => progress.push(step) });
    expect(array).toEqual({ dimensions: [40, 28, 28], data, sha256: file.sha256 });
    expect(progress.at(-1)).toMatchObject({
      words: 'the images',
      receivedBytes: packed.length,
      totalBytes: packed.length,
    });
    expect(await readdir(folder)).toEqual([file.name]);
    expect(Buffer.compare(await readFile(join(folder, file.name)), whole)).toBe(0);
    expect(await load([url])).toEqual(array);
    expect(asked).toEqual(['/mnist/images-idx3-ubyte.gz']);
  });

  it('fetches anew what was damaged in the cache', async () => {
    const url = await mirror(sends(packed));
    const damaged = whole.slice();
    damaged[1000] = (damaged[1000] ?? 0) ^ 1;
    for (const bytes of [damaged, whole.subarray(0, 1000), new Uint8Array(0)]) {
      await writeFile(join(folder, file.name), bytes);
      expect((await load([url])).sha256).toBe(file.sha256);
    }
  });

  it.each<[string, RequestListener, RegExp]>([
    ['that has it not', (_, response) => void response.writeHead(404).end(), /HTTP 404/],
    [
      'with another file',
      sends(gzipSync(whole.map((byte, i) => (i === 99 ? byte ^ 1 : byte)))),
      /wrong checksum \(MD5/,
    ],
    ['with half a gzip file', sends(packed.subarray(0, packed.length / 2)), /not a whole gzip file/],
    [
      'with half an IDX file',
      sends(gzipSync(whole.subarray(0, 999))),
      /ended after 999 of \d+ unpacked bytes/,
    ],
    ['with an error page', sends(Buffer.from('<html>')), /not a whole gzip file \(incorrect header check\)/],
    [
      'with a file too large',
      sends(Buffer.alloc(whole.length + 100_000)),
      /sends more than|not a whole gzip/,
    ],
    ['with a bomb', sends(gzipSync(Buffer.alloc(10_000_000))), /unpacks to more than the \d+ bytes/],
    [
      'that announces too much',
      (_, response) => void response.writeHead(200, { 'content-length': 1e12 }).write('x'),
      /sends more than the \d+ bytes/,
    ],
    [
      'that hangs up',
      (_, response) => {
        response.writeHead(200, { 'content-length': packed.length });
        response.write(packed.subarray(0, 1000), () => response.destroy());
      },
      /connection cut|terminated/,
    ],
    [
      'that falls silent',
      (_, response) => void response.write(packed.subarray(0, 1000)),
      /no data for 0\.5 s/,
    ],
    ['that does not answer', () => undefined, /no answer within 0\.5 s/],
  ])('passes over a mirror %s, and says so when there is no other', async (_, answer, words) => {
    const broken = await mirror(answer);
    // Short only where time must run out, so that a busy machine is no broken mirror.
    const isSilent = words.source.startsWith('no ');
    const timeouts = isSilent ? { connectTimeoutMs: 500, stallTimeoutMs: 500 } : {};
    const error = await failure(load([broken], timeouts));
    expect(error.code).toBe('dataset');
    expect(error.message).toMatch(words);
    expect(error.message).toContain(`${new URL(broken).host}: `);
    expect(error.message).toMatch(/^the images cannot be downloaded .*: name a folder .* by --data$/);
    expect(await readdir(folder)).toEqual([]);

    const good = await mirror(sends(packed));
    expect((await load([broken, good], timeouts)).sha256).toBe(file.sha256);
    expect(await readdir(folder)).toEqual([file.name]);
  });

  it('names servers with the same trouble together', async () => {
    const broken = await Promise.all(
      [1, 2].map(() => mirror((_, response) => void response.writeHead(503).end())),
    );
    const [one, two] = broken.map((url) => new URL(url).host);
    expect((await failure(load(broken))).message).toContain(`(${one}, ${two}: HTTP 503)`);
  });

  it('says when nobody listens', async () => {
    const url = await mirror(() => undefined);
    const server = servers.pop();
    await new Promise((resolve) => server?.close(resolve));
    expect((await failure(load([url]))).message).toContain('connection refused');
  });

  it('ends at once when it is aborted, and leaves nothing', async () => {
    const abort = new AbortController();
    const url = await mirror((_, response) => void response.write(packed.subarray(0, 1000)));
    const loading = load([url, url], { signal: abort.signal, onProgress: () => abort.abort() });
    expect((await failure(loading)).code).toBe('aborted');
    expect(await readdir(folder)).toEqual([]);
    expect((await failure(load([url], { signal: AbortSignal.abort() }))).code).toBe('aborted');
  });

  it('is whole when two fetch at once', async () => {
    const url = await mirror(sends(packed));
    const arrays = await Promise.all([load([url]), load([url]), load([url])]);
    expect(arrays.map((array) => array.sha256)).toEqual([file.sha256, file.sha256, file.sha256]);
    expect(await readdir(folder)).toEqual([file.name]);
  });

  it('says what to do about a cache that is a file', async () => {
    const inFile = join(folder, 'file');
    await writeFile(inFile, '');
    const url = await mirror(sends(packed));
    const error = await failure(loadPublishedFile(file, inFile, { mirrors: [url] }));
    expect(error.code).toBe('dataset');
    expect(error.message).toMatch(/cannot be kept in .*: name another cache folder by GAN_CACHE_DIR/);
  });
});
