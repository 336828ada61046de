import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gridPng } from '../../../coordinator/picture.js';
import { SampleShelf } from '../../../coordinator/samples/index.js';
import { readGrid } from '../../../coordinator/samples/sample-grid.js';
import { ODD_GRID, noise } from './pictures.js';

const STEPS_PER_PASS = 100;
let out = '';
let warnings: string[] = [];
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), 'sample-shelf-'));
  warnings = [];
});
afterEach(() => rm(out, { recursive: true, force: true }));

const open = (grid = ODD_GRID): Promise<SampleShelf> =>
  SampleShelf.open({ out, stepsPerPass: STEPS_PER_PASS, grid, onWarning: (text) => warnings.push(text) });
const imagesOf = (step: number): Uint8Array => noise(ODD_GRID, step);
const fileOf = (name: string): string => join(out, 'samples', name);
const files = async (): Promise<string[]> => (await readdir(join(out, 'samples'))).sort();

async function filled(...steps: number[]): Promise<SampleShelf> {
  const shelf = await open();
  for (const step of steps) {
    shelf.add(step, imagesOf(step));
    await shelf.settled();
  }
  return shelf;
}

describe('the sample shelf', () => {
  it('keeps every sample and writes a file for every pass', async () => {
    const shelf = await filled(10, 100, 150, 200, 1_234_500);
    expect(shelf.steps()).toEqual([10, 100, 150, 200, 1_234_500]);
    expect(shelf.frames()).toEqual(shelf.steps().map((step) => ({ step, images: imagesOf(step) })));
    expect(await files()).toEqual(['pass-0001.png', 'pass-0002.png', 'pass-12345.png']);
    expect(new Uint8Array(await readFile(fileOf('pass-0002.png')))).toEqual(
      new Uint8Array(gridPng(imagesOf(200), ODD_GRID)),
    );
    expect(readGrid(shelf.png(150) ?? new Uint8Array(), ODD_GRID)).toEqual(imagesOf(150));
    expect(shelf.png(150)).toBe(shelf.png(150));
    expect(shelf.png(151)).toBeNull();
    expect(warnings).toEqual([]);
  });

  it('makes no folder before there is a pass to show', async () => {
    await filled(10, 20);
    expect(await readdir(out)).toEqual([]);
  });

  it('keeps its own copy of the images', async () => {
    const shelf = await open();
    const images = imagesOf(10);
    shelf.add(10, images);
    images.fill(0);
    expect(shelf.frames()[0]?.images).toEqual(imagesOf(10));
  });

  it('takes a step that comes again once, and the last one counts', async () => {
    const shelf = await filled(100, 100);
    expect(shelf.steps()).toEqual([100]);
    const before = shelf.png(100);
    shelf.add(100, imagesOf(7));
    await shelf.settled();
    expect(shelf.png(100)).not.toEqual(before);
    expect(readGrid(await readFile(fileOf('pass-0001.png')), ODD_GRID)).toEqual(imagesOf(7));
  });

  it('leaves out what is not a sample, and says so', async () => {
    const shelf = await open();
    shelf.add(10, imagesOf(10).subarray(1));
    shelf.add(0, imagesOf(0));
    shelf.add(Number.NaN, imagesOf(0));
    expect(shelf.steps()).toEqual([]);
    expect(warnings).toEqual([
      'a sample is left out: 120 bytes after 1 step or more were expected, found 119 after 10',
      'a sample is left out: 120 bytes after 1 step or more were expected, found 120 after 0',
      'a sample is left out: 120 bytes after 1 step or more were expected, found 120 after NaN',
    ]);
  });

  it('is bounded in memory, not on the disk', async () => {
    const steps = Array.from({ length: 260 }, (_, i) => (i + 1) * STEPS_PER_PASS);
    const shelf = await filled(10, ...steps);
    expect(shelf.steps()).toHaveLength(200);
    expect([shelf.steps()[0], shelf.steps().at(-1)]).toEqual([10, 26_000]);
    expect(await files()).toHaveLength(260);
    const resumed = await open();
    expect(resumed.steps()).toHaveLength(200);
    expect([resumed.steps()[0], resumed.steps().at(-1)]).toEqual([100, 26_000]);
  });
});

describe('a sample shelf that is opened again', () => {
  it('has the passes of before', async () => {
    await filled(10, 100, 150, 200);
    const shelf = await open();
    expect(shelf.frames()).toEqual([100, 200].map((step) => ({ step, images: imagesOf(step) })));
    expect(new Uint8Array(shelf.png(200) ?? [])).toEqual(
      new Uint8Array(await readFile(fileOf('pass-0002.png'))),
    );
    shelf.add(300, imagesOf(300));
    await shelf.settled();
    expect(await files()).toEqual(['pass-0001.png', 'pass-0002.png', 'pass-0003.png']);
    expect(warnings).toEqual([]);
  });

  it('forgets what it goes back behind, files too', async () => {
    await filled(100, 200, 300, 400);
    const shelf = await open();
    shelf.truncate(299);
    expect(shelf.steps()).toEqual([100, 200]);
    await shelf.settled();
    expect(await files()).toEqual(['pass-0001.png', 'pass-0002.png']);
    shelf.truncate(200);
    expect(shelf.steps()).toEqual([100, 200]);
    shelf.truncate(0);
    await shelf.settled();
    expect(shelf.steps()).toEqual([]);
    expect(await files()).toEqual([]);
  });

  it('leaves out damaged files and those of another run, and other names', async () => {
    await filled(100, 200, 300, 400, 500);
    const whole = await readFile(fileOf('pass-0002.png'));
    const flipped = Uint8Array.from(whole, (byte, i) => (i === whole.length - 20 ? byte ^ 1 : byte));
    await writeFile(fileOf('pass-0001.png'), whole.subarray(0, whole.length / 2));
    await writeFile(fileOf('pass-0002.png'), flipped);
    await writeFile(fileOf('pass-0003.png'), '');
    await writeFile(fileOf('pass-0004.png'), gridPng(imagesOf(1), { ...ODD_GRID, scale: 3 }));
    for (const other of ['pass-0000.png', 'pass-00006.png', 'pass-6.png', 'notes.txt'])
      await writeFile(fileOf(other), whole);
    const shelf = await open();
    expect(shelf.steps()).toEqual([500]);
    expect(warnings).toHaveLength(4);
    expect(warnings[3]).toBe(
      'samples/pass-0004.png is left out: a picture of 40 x 36 pixels was expected, found 52 x 48',
    );
    shelf.add(200, imagesOf(200)); // drawn again
    await shelf.settled();
    expect((await open()).steps()).toEqual([200, 500]);
  });
});

describe('a disk that refuses', () => {
  it('is told, and tried again with the next sample', async () => {
    await writeFile(join(out, 'samples'), 'a file where the folder should be');
    const shelf = await open();
    expect(warnings).toHaveLength(1);
    shelf.add(100, imagesOf(100));
    shelf.add(200, imagesOf(200));
    await shelf.settled();
    expect(warnings.at(-1)).toMatch(/^2 of the sample grids in .* \(tried again with the next one\): /);
    expect(shelf.steps()).toEqual([100, 200]);
    await rm(join(out, 'samples'));
    shelf.add(250, imagesOf(250));
    await shelf.settled();
    expect(await files()).toEqual(['pass-0001.png', 'pass-0002.png']);
  });

  it('does not hold up the other files', async () => {
    await mkdir(fileOf('pass-0001.png'), { recursive: true });
    const shelf = await filled(100, 200);
    expect(await files()).toEqual(['pass-0001.png', 'pass-0002.png']);
    shelf.truncate(0);
    await shelf.settled();
    expect(await files()).toEqual(['pass-0001.png']);
    await rm(fileOf('pass-0001.png'), { recursive: true });
    shelf.add(100, imagesOf(100));
    await shelf.settled();
    expect((await open()).steps()).toEqual([100]);
  });

  it('gives up the oldest of too many files that wait', async () => {
    await writeFile(join(out, 'samples'), '');
    const shelf = await open();
    for (let pass = 1; pass <= 203; pass++) shelf.add(pass * STEPS_PER_PASS, imagesOf(pass));
    await shelf.settled();
    expect(warnings.filter((text) => text.includes('given up'))).toEqual(
      ['0001', '0002', '0003'].map(
        (pass) => `pass-${pass}.png is given up: 200 newer sample grids wait for the disk`,
      ),
    );
    await rm(join(out, 'samples'));
    await shelf.settled();
    expect(await files()).toHaveLength(200);
  });

  it('ends as decided, whatever it was doing meanwhile', async () => {
    const shelf = await open();
    for (let round = 0; round < 20; round++) {
      for (const step of [100, 200, 300]) shelf.add(step, imagesOf(step + round));
      // Somewhere in the middle of the writes.
      for (let i = 0; i < round; i++) await new Promise(setImmediate);
      shelf.truncate(round % 2 === 0 ? 100 : 0);
    }
    shelf.add(200, imagesOf(200));
    await shelf.settled();
    expect(await files()).toEqual(['pass-0002.png']);
    expect(readGrid(await readFile(fileOf('pass-0002.png')), ODD_GRID)).toEqual(imagesOf(200));
    expect(warnings).toEqual([]);
  });
});

describe('a grid that is read back', () => {
  it('is not decompressed when it is of another size', () => {
    const huge = PNG.sync.write(new PNG({ width: 1, height: 1 }));
    huge.writeUInt32BE(0x7fffffff, 16);
    huge.writeUInt32BE(0x7fffffff, 20);
    expect(() => readGrid(huge, ODD_GRID)).toThrow('found 2147483647 x 2147483647');
  });
});
