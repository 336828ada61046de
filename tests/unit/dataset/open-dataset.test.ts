import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeIdx, loadMnist, openDataset, type MnistPart } from '../../../coordinator/dataset/index.js';
import { progressLines } from '../../../coordinator/dataset/open-dataset.js';
import { UsageError } from '../../../proto/index.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'open-dataset-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const IMAGE = 28 * 28;
const images = (count: number, first: number): Uint8Array =>
  encodeIdx({
    dimensions: [count, 28, 28],
    data: Uint8Array.from({ length: count * IMAGE }, (_, i) => first + Math.floor(i / IMAGE)),
  });
const open = (source: string, minImages?: number): ReturnType<typeof openDataset> =>
  openDataset(source, { seed: 1, cacheFolder: join(folder, 'cache'), minImages });

describe('openDataset of a folder', () => {
  it('reads the training images, plain before packed', async () => {
    const data = join(folder, 'digits');
    await mkdir(data);
    const names = [
      'train-images.idx3-ubyte.gz',
      'train-images-idx3-ubyte.gz',
      'train-images.idx3-ubyte',
      'train-images-idx3-ubyte',
    ];
    for (const [i, name] of names.entries()) {
      const bytes = images(3, 10 * i);
      await writeFile(join(data, name), name.endsWith('.gz') ? gzipSync(bytes) : bytes);
      const dataset = await open(data);
      expect(dataset).toMatchObject({ name: 'digits', count: 3, rows: 28, columns: 28, imageSize: IMAGE });
      expect(dataset.sha256).toBe(createHash('sha256').update(bytes.subarray(16)).digest('hex'));
      const out = new Uint8Array(2 * IMAGE);
      dataset.gather(Uint32Array.of(2, 0), out);
      expect([out[0], out[IMAGE - 1], out[IMAGE], out[2 * IMAGE - 1]]).toEqual(
        [2, 2, 0, 0].map((image) => 10 * i + image),
      );
    }
  });

  it('refuses to gather what is not there or does not fit: that is our own mistake', async () => {
    await writeFile(join(folder, 'train-images-idx3-ubyte'), images(3, 0));
    const dataset = await open(folder);
    for (const index of [3, -1, 0.5]) {
      expect(() => dataset.gather([index], new Uint8Array(IMAGE))).toThrow('broken invariant');
    }
    expect(() => dataset.gather([1], new Uint8Array(IMAGE + 1))).toThrow('broken invariant');
  });

  it.each<[string, string | null, Uint8Array, RegExp]>([
    ['is missing', null, new Uint8Array(0), /no such folder; mnist, synthetic or a folder/],
    ['is empty', '', new Uint8Array(0), /train-images-idx3-ubyte\.gz was expected, it is empty/],
    ['holds something else', 'cat.jpg', new Uint8Array(9), /was expected, found 1 other file$/],
    ['holds an empty file', 'train-images-idx3-ubyte', new Uint8Array(0), /is empty/],
    ['holds a truncated file', 'train-images-idx3-ubyte', images(3, 0).subarray(0, 999), /is truncated/],
    [
      'holds a corrupt gzip file',
      'train-images-idx3-ubyte.gz',
      gzipSync(images(4, 0)).subarray(0, -12),
      /gzip/,
    ],
    [
      'holds images of another size',
      'train-images-idx3-ubyte',
      encodeIdx({ dimensions: [2, 32, 32], data: new Uint8Array(2048) }),
      /holds 2 x 32 x 32 bytes; images x 28 x 28 were expected/,
    ],
    [
      'holds labels',
      'train-images-idx3-ubyte',
      encodeIdx({ dimensions: [9], data: new Uint8Array(9) }),
      /holds 9 bytes; images x 28 x 28/,
    ],
    ['holds no image', 'train-images-idx3-ubyte', images(0, 0), /holds 0 x 28 x 28/],
    ['holds too few', 'train-images-idx3-ubyte', images(3, 0), /holds 3 images; at least 4 were expected/],
  ])('refuses one that %s, in one line', async (_, name, bytes, words) => {
    const data = join(folder, 'data');
    if (name !== null) await mkdir(data);
    if (name) await writeFile(join(data, name), bytes);
    const error: unknown = await open(data, 4).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    const { message } = error as UsageError;
    expect(message).toMatch(words);
    expect(message).toMatch(/^--data: /);
    expect(message).not.toContain('\n');
  });

  it('refuses a file in place of a folder', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(open(join(folder, 'file'))).rejects.toThrow(/it is not a folder/);
  });

  it('does not start when it was interrupted', async () => {
    const options = { seed: 1, cacheFolder: folder, signal: AbortSignal.abort() };
    await expect(openDataset('synthetic', options)).rejects.toMatchObject({ code: 'aborted' });
  });
});

const mnistFolder = process.env['MNIST_DIR'];
describe.skipIf(mnistFolder === undefined)('MNIST itself (needs MNIST_DIR)', () => {
  it('is known by its content, and quick to read', async () => {
    const startedAt = performance.now();
    const dataset = await open(mnistFolder ?? '');
    expect(performance.now() - startedAt).toBeLessThan(3_000); // 0.2 s; a busy machine is no failure
    expect(dataset).toMatchObject({ name: 'MNIST', count: 60_000, imageSize: IMAGE });
  });

  it('is downloaded, checked and kept, each file when it is asked for', async () => {
    const server = createServer((request, response) => {
      createReadStream(join(mnistFolder ?? '', request.url ?? '')).pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const mirrors = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`];
    const lines: string[] = [];
    const options = { seed: 1, cacheFolder: folder, mirrors, onProgress: (line: string) => lines.push(line) };
    try {
      const parts: [MnistPart, number[]][] = [
        ['train-labels', [60_000]],
        ['test-images', [10_000, 28, 28]],
        ['test-labels', [10_000]],
      ];
      for (const [part, dimensions] of parts) {
        expect((await loadMnist(part, { cacheFolder: folder, mirrors })).dimensions).toEqual(dimensions);
      }
      expect((await openDataset('mnist', options)).name).toBe('MNIST');
      expect(lines[0]).toMatch(/^downloading MNIST's training images from 127\.0\.0\.1:\d+ \.\.\.$/);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    const again = await openDataset('mnist', { ...options, mirrors: [] });
    expect(again.sha256).toBe((await open(mnistFolder ?? '')).sha256);
  });
});

it('tells a download in a line for its start and one for each quarter', () => {
  const lines: string[] = [];
  const onProgress = progressLines((line) => lines.push(line));
  for (let receivedBytes = 100_000; receivedBytes <= 10_000_000; receivedBytes += 100_000) {
    onProgress({ words: 'x', host: 'one', receivedBytes, totalBytes: 10_000_000 });
  }
  onProgress({ words: 'x', host: 'two', receivedBytes: 1, totalBytes: null });
  expect(lines).toEqual([
    'downloading x from one (10.0 MB) ...',
    '  2.5 of 10.0 MB',
    '  5.0 of 10.0 MB',
    '  7.5 of 10.0 MB',
    '  10.0 of 10.0 MB',
    'downloading x from two ...',
  ]);
});
