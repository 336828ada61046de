import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeIdx } from '../../../coordinator/dataset/index.js';
import { openScoredImages } from '../../../deploy/evaluate/scored-images.js';
import { TUTORIAL_MODEL, UsageError, type ModelDescription } from '../../../proto/index.js';
import { exportedFiles } from '../../integration/export/exported-files.js';
import { ODD_MODEL, STATE_SHA256, trainedModel } from '../export/trained-model.js';
import { noiseImages } from './points.js';
import { idxOf } from './small-digits.js';

const images = noiseImages(12, 1);
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gan-cluster-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const open = (path: string, count = 12, seed = 1) =>
  openScoredImages(path, { count, seed, onWork: () => Promise.resolve() });

async function refusal(path: string, count = 12): Promise<string> {
  const error: unknown = await open(path, count).then(
    () => 'was opened',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  const { message } = error as UsageError;
  expect(message).not.toContain('\n');
  return message;
}

/** A PNG whose pixels `colour` gives, [red, green, blue, alpha]. */
function png(size: number, colour: (pixel: number) => readonly number[]): Buffer {
  const picture = new PNG({ width: size, height: size });
  for (let pixel = 0; pixel < size ** 2; pixel++) picture.data.set(colour(pixel), 4 * pixel);
  return PNG.sync.write(picture);
}

const greyPng = (image: number): Buffer =>
  png(28, (pixel) => {
    const grey = images[784 * image + pixel] ?? 0;
    return [grey, grey, grey, 255];
  });

describe('images of an IDX file', () => {
  it.each([
    ['plain', (bytes: Uint8Array) => bytes],
    ['compressed', (bytes: Uint8Array) => gzipSync(bytes)],
  ])('are read, %s', async (_how, packed) => {
    const path = write('images-idx3-ubyte', packed(idxOf(images)));
    const opened = await open(path);
    expect(opened.images).toEqual(images);
    expect(opened.origin).toEqual({ kind: 'idx', path, available: 12 });
  });

  it('are the first ones when there are more than asked for', async () => {
    const { images: first } = await open(write('some.idx', idxOf(images)), 5);
    expect(first).toEqual(images.subarray(0, 5 * 784));
  });

  it('are refused when there are fewer, and what to do is told', async () => {
    expect(await refusal(write('few.idx', idxOf(noiseImages(100, 2))), 101)).toMatch(
      /few\.idx holds 100 images; 101 were expected: --count 100 scores what is there/,
    );
    expect(await refusal(write('few.idx', idxOf(images)), 100)).toMatch(
      /few\.idx holds 12 images; 100 were expected: 100 is the least that can be scored$/,
    );
  });

  it.each([
    [
      'cut',
      idxOf(images).subarray(0, 5_000),
      /is truncated: 12 x 28 x 28 elements take 9424 bytes, found 5000/,
    ],
    ['cut in its compression', gzipSync(idxOf(images)).subarray(0, 4_000), /is not a whole gzip file/],
    [
      'of other sizes',
      encodeIdx({ dimensions: [3, 32, 32], data: new Uint8Array(3072) }),
      /holds 3 x 32 x 32 bytes; images x 28 x 28 were expected/,
    ],
    [
      'of labels',
      encodeIdx({ dimensions: [12], data: new Uint8Array(12) }),
      /holds 12 bytes; images x 28 x 28 were expected/,
    ],
    ['of something else', Buffer.from('%PDF-1.7'), /is neither an IDX file/],
    ['empty', Buffer.alloc(0), /is empty/],
  ])('are refused when the file is %s', async (_what, bytes, words) => {
    const path = write('bad.idx', bytes);
    const message = await refusal(path);
    expect(message).toMatch(words);
    expect(message.startsWith(path)).toBe(true);
  });
});

describe('images of a folder of PNG files', () => {
  it('are read in the order of their numbers', async () => {
    for (let image = 0; image < 12; image++) write(`${image + 1}.png`, greyPng(image));
    write('notes.txt', Buffer.from('not looked at'));
    const opened = await open(folder);
    expect(opened.images).toEqual(images);
    expect(opened.origin).toEqual({ kind: 'png', path: folder, available: 12 });
    expect((await open(folder, 3)).images).toEqual(images.subarray(0, 3 * 784));
  });

  it('are refused when there are too few', async () => {
    write('1.png', greyPng(0));
    expect(await refusal(folder)).toMatch(/holds 1 images; 12 were expected/);
  });

  /** A file of 28 x 28 that announces another size. */
  const announcing = (width: number): Buffer => {
    const bytes = Buffer.from(greyPng(0));
    bytes.writeUInt32BE(width, 16);
    return bytes;
  };

  it.each([
    ['of another size', png(32, () => [0, 0, 0, 255]), /has 32 x 32 pixels; 28 x 28 were expected/],
    [
      'in colour',
      png(28, (pixel) => [pixel % 256, 0, 0, 255]),
      /is coloured or transparent; a grey image was expected/,
    ],
    ['transparent', png(28, () => [9, 9, 9, 100]), /is coloured or transparent/],
    ['cut', greyPng(0).subarray(0, 200), /is a damaged PNG image/],
    ['tampered with', Buffer.from(greyPng(0)).fill(0xff, 60, 90), /is a damaged PNG image/],
    ['that announces a picture larger than memory', announcing(2 ** 31 - 1), /has 2147483647 x 28 pixels/],
    ['that is none', Buffer.from('GIF89a'), /is no PNG image/],
    ['that is far too large', Buffer.alloc(2 ** 20 + 1), /has 1048577 bytes/],
  ])('are refused with one %s', async (_what, bytes, words) => {
    write('1.png', greyPng(0));
    const path = write('2.png', bytes);
    const message = await refusal(folder, 2);
    expect(message).toMatch(words);
    expect(message.startsWith(path)).toBe(true);
  });

  it('are refused with a folder called like an image', async () => {
    mkdirSync(join(folder, 'x.png'));
    expect(await refusal(folder, 1)).toMatch(/x\.png cannot be read \(EISDIR\)/);
  });
});

describe('images of a generator', () => {
  async function exported(model: ModelDescription, to: string): Promise<void> {
    mkdirSync(to, { recursive: true });
    for (const [name, bytes] of await exportedFiles(trainedModel(model)))
      writeFileSync(join(to, name), bytes);
  }

  it('are the same from every file that it was exported to, and tell where they come from', async () => {
    await exported(TUTORIAL_MODEL, folder);
    const all = await Promise.all(
      ['.', 'generator.onnx', 'model.json', 'generator.safetensors'].map((name) => open(join(folder, name))),
    );
    for (const { images: made, origin } of all) {
      expect(made).toHaveLength(12 * 784);
      expect(Buffer.from(made)).toEqual(Buffer.from(all[0]?.images ?? []));
      expect(origin).toMatchObject({
        kind: 'generator',
        seed: 1,
        provenance: { step: '468', recipe: 'tutorial', state_sha256: STATE_SHA256 },
      });
    }
    const grey = new Set(all[0]?.images);
    expect(grey.size).toBeGreaterThan(50);
  });

  it('follow from the seed, and the first ones from nothing else', async () => {
    await exported(TUTORIAL_MODEL, folder);
    const { images: made } = await open(folder, 30);
    expect((await open(folder, 10)).images).toEqual(made.subarray(0, 10 * 784));
    expect(Buffer.from((await open(folder, 30, 2)).images)).not.toEqual(Buffer.from(made));
  });

  it('are refused when they have another size', async () => {
    await exported(ODD_MODEL, folder);
    expect(await refusal(folder)).toMatch(
      /generator\.onnx makes images of 64 pixels; 784 \(28 x 28\) were expected/,
    );
  });

  it('are refused when its file is cut', async () => {
    await exported(TUTORIAL_MODEL, folder);
    const path = write('cut.onnx', Buffer.alloc(1000, 7));
    expect((await refusal(path)).startsWith(path)).toBe(true);
  });

  it('are not there yet in the folder of a run that is not done', async () => {
    write(
      'samples.png',
      png(152, () => [0, 0, 0, 255]),
    );
    write(
      'run.json',
      Buffer.from(JSON.stringify({ outcome: 'interrupted', stepsPlanned: 900, stepsDone: 12, files: [] })),
    );
    expect(await refusal(folder)).toMatch(/has no generator yet: .* at step 12 of 900/);
  });
});

describe('a path', () => {
  it.each([
    ['that is not there', () => join(folder, 'nowhere'), /is not there; a generator's file/],
    ['of an empty folder', () => folder, /holds neither a generator \(generator.onnx, .*\) nor PNG images/],
    [
      'of a single picture',
      () => write('grid.png', greyPng(0)),
      /is one image; a folder of at least 12 was expected/,
    ],
  ])('%s is refused', async (_what, path, words) => {
    expect(await refusal(path())).toMatch(words);
  });
});
