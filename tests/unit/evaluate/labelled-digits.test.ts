import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeIdx } from '../../../coordinator/dataset/index.js';
import { openLabelledDigits } from '../../../deploy/evaluate/labelled-digits.js';
import { OperationalError, UsageError } from '../../../proto/index.js';
import { sha256Of } from '../../../proto/runtime/sha256.js';
import { drawnDigits, fourFiles } from './small-digits.js';

const sets = { training: drawnDigits(40, 1), test: drawnDigits(20, 2) };
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gan-cluster-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(files: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
}

const open = (source: string) => openLabelledDigits(source, { cacheFolder: join(folder, 'cache') });

async function refusal(source = folder): Promise<string> {
  const error: unknown = await open(source).then(
    () => 'was opened',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  return (error as UsageError).message;
}

describe('labelled digits', () => {
  it('are read from the four files of a folder, plain or compressed, however they are called', async () => {
    const files = fourFiles(sets);
    const [trainImages, trainLabels, testImages, testLabels] = [...files.values()] as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    write(
      new Map([
        ['train-images.idx3-ubyte', trainImages],
        ['train-labels-idx1-ubyte.gz', gzipSync(trainLabels)],
        ['t10k-images.idx3-ubyte.gz', gzipSync(testImages)],
        ['t10k-labels-idx1-ubyte', testLabels],
      ]),
    );
    const digits = await open(folder);
    expect(digits.training).toEqual(sets.training);
    expect(digits.test).toEqual(sets.test);
    expect(digits.trainingSha256).toBe(sha256Of(sets.training.images));
  });

  it('have a hash in which every label counts', async () => {
    write(fourFiles(sets));
    const { sha256 } = await open(folder);
    const labels = sets.test.labels.slice();
    labels[3] = ((labels[3] ?? 0) + 1) % 10;
    write(fourFiles({ ...sets, test: { ...sets.test, labels } }));
    expect((await open(folder)).sha256).not.toBe(sha256);
  });

  it('can be drawn ones: those that a run trains on, and others to test with', async () => {
    const digits = await open('synthetic');
    expect([digits.training.count, digits.test.count]).toEqual([60_000, 10_000]);
    expect(digits.training.images.subarray(0, 784 * 40)).toEqual(sets.training.images);
    expect(digits.test.labels.subarray(0, 20)).toEqual(sets.test.labels);
  });

  it.each(['train-labels-idx1-ubyte', 't10k-images-idx3-ubyte'])('are refused without %s', async (name) => {
    const files = fourFiles(sets);
    files.delete(name);
    write(files);
    expect(await refusal()).toBe(
      `--data: ${folder}: ${name} or ${name}.gz was expected beside the other three files of MNIST`,
    );
  });

  it.each([
    [
      'labels that are fewer',
      'train-labels-idx1-ubyte',
      encodeIdx({ dimensions: [39], data: new Uint8Array(39) }),
      /holds 39 labels; one for each of 40 images was expected/,
    ],
    [
      'a label that is no digit',
      't10k-labels-idx1-ubyte',
      encodeIdx({ dimensions: [20], data: new Uint8Array(20).fill(10, 7, 8) }),
      /gives image 7 the label 10; 0 to 9 were expected/,
    ],
    [
      'images of another size',
      't10k-images-idx3-ubyte',
      encodeIdx({ dimensions: [2, 32, 32], data: new Uint8Array(2048) }),
      /holds 2 x 32 x 32 bytes; images x 28 x 28 were expected/,
    ],
    [
      'a file that is cut',
      'train-images-idx3-ubyte',
      encodeIdx({ dimensions: [40, 28, 28], data: sets.training.images }).subarray(0, 9_000),
      /is truncated/,
    ],
    [
      'a file that is something else',
      't10k-labels-idx1-ubyte',
      Buffer.from('<html>'),
      /is neither an IDX file/,
    ],
  ])('are refused with %s', async (_what, name, bytes, words) => {
    write(fourFiles(sets));
    write(new Map([[name, bytes]]));
    const message = await refusal();
    expect(message).toMatch(words);
    expect(message).toContain('--data: ');
    expect(message).toContain(name);
  });

  it('are refused where there is no folder', async () => {
    expect(await refusal(join(folder, 'nowhere'))).toMatch(/is not there; mnist or a folder/);
  });

  it('tell when MNIST cannot be had', async () => {
    const cacheFolder = join(folder, 'cache');
    const opened = openLabelledDigits('mnist', { cacheFolder, mirrors: ['http://127.0.0.1:9/'] });
    const error: unknown = await opened.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OperationalError);
    expect((error as OperationalError).code).toBe('dataset');
    expect((error as OperationalError).message).toMatch(/^MNIST's training images cannot be downloaded/);
  });
});
