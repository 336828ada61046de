import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { readIdx } from '../../../coordinator/dataset/index.js';
import { generate, type GenerateOptions } from '../../../deploy/generate/index.js';
import { openGenerator, seededImages } from '../../../deploy/generator/index.js';
import { TUTORIAL_MODEL } from '../../../proto/index.js';
import type { NamedFile } from '../../../worker/export/index.js';
import { SmallDisk } from '../../chaos/small-disk.js';
import { trainedModel } from '../../unit/export/trained-model.js';
import { exported, fileNamed, writeFiles, writeRecord } from '../../unit/generator/exported.js';
import { withoutPrivileges } from '../../unit/generator/other-user.js';
import { GanCluster, ganCluster, temporaryFolder } from '../cluster/gan-cluster.js';

const FILES = ['generator.onnx', 'model.json', 'weights.bin', 'generator.safetensors'];

let files: NamedFile[];
let folder: string;

beforeAll(async () => {
  files = (await exported(trainedModel(TUTORIAL_MODEL))).filter(({ name }) => FILES.includes(name));
});

beforeEach(() => {
  folder = temporaryFolder();
});

/** A finished run in a folder of its own. */
function makeRun(path: string): string {
  mkdirSync(path, { recursive: true });
  writeFiles(path, files);
  writeRecord(path, files);
  return path;
}

const bytesOf = (name: string): Buffer => readFileSync(join(folder, name));

/** A request for five images; what is not given stands for the command's defaults. */
const request = (more: Partial<GenerateOptions>): GenerateOptions => ({
  path: join(folder, 'run'),
  out: join(folder, 'out.png'),
  ...{ count: 5, seed: 1, toSeed: undefined, frames: undefined },
  ...{ say: () => undefined, interrupt: new AbortController().signal },
  ...more,
});

describe('gan-cluster generate', () => {
  it('draws a hundred images of the newest run, and the same again', async () => {
    makeRun(join(folder, 'runs/old'));
    makeRun(join(folder, 'runs/new'));
    utimesSync(join(folder, 'runs/old/run.json'), 1_000, 1_000);
    const first = await ganCluster(['generate'], { cwd: folder });
    expect(first).toMatchObject({
      status: 0,
      stdout: 'generated.png: 100 images of seed 1, by runs/new/generator.onnx (9,360 steps)\n',
      stderr: '',
    });
    expect(decode(bytesOf('generated.png'))).toMatchObject({ width: 1164, height: 1164 });
    const before = bytesOf('generated.png');
    const { stdout } = await ganCluster(['generate', '--seed', '1'], { cwd: folder });
    expect(stdout).toContain('(9,360 steps), in place of the file that was there');
    expect(bytesOf('generated.png').equals(before)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['generated.png', 'runs']);
  });

  it('is told by its environment as well, and makes a compressed file that MNIST readers take', async () => {
    makeRun(join(folder, 'run'));
    const env = { GAN_OUT: 'sub/more.idx.gz', GAN_SEED: '7', GAN_COUNT: '1100' };
    const { stdout } = await ganCluster(['generate', 'run'], { cwd: folder, env });
    expect(stdout).toMatch(/^sub\/more\.idx\.gz: 1,100 images of seed 7, by run\/generator\.onnx/);
    const { dimensions, data } = await readIdx(join(folder, 'sub/more.idx.gz'));
    expect(dimensions).toEqual([1_100, 28, 28]);
    await generate(request({ seed: 7, count: 30, out: join(folder, 'few-ubyte') }));
    const headerBytes = 16;
    expect(
      bytesOf('few-ubyte')
        .subarray(headerBytes)
        .equals(data.subarray(0, 30 * 784)),
    ).toBe(true);
  });
});

describe('gan-cluster generate refuses', () => {
  async function refusal(args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await ganCluster(['generate', ...args], { cwd: folder });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    return stderr;
  }

  it('to guess what is meant', async () => {
    expect(await refusal([])).toContain('there is no run in runs/: name generator.onnx');
    expect(await refusal(['run', '--out', 'a.jpg'])).toContain('a name that tells what to make was expected');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('a newest run that is not done, and tells how far it is', async () => {
    makeRun(join(folder, 'runs/old'));
    utimesSync(join(folder, 'runs/old/run.json'), 1_000, 1_000);
    mkdirSync(join(folder, 'runs/new'));
    writeRecord(join(folder, 'runs/new'), [], 'running');
    expect(await refusal([])).toContain('runs/new has no generator yet: its run is at step 9360 of 9360');
  });
});

describe('generating', () => {
  it('gives the same bytes from every format', async () => {
    const run = makeRun(join(folder, 'run'));
    for (const out of ['all.png', 'all.idx.gz', 'all.gif']) {
      const made: Buffer[] = [];
      for (const name of ['generator.onnx', 'model.json', 'generator.safetensors']) {
        const change = out.endsWith('gif') ? { toSeed: 2, frames: 3 } : {};
        await generate(request({ path: join(run, name), out: join(folder, out), ...change }));
        made.push(bytesOf(out));
      }
      const [first = Buffer.of(), ...others] = made;
      for (const other of others) expect(other.equals(first), out).toBe(true);
    }
  });

  it('fills a folder with pictures of the images of the seed', async () => {
    makeRun(join(folder, 'run'));
    const said: string[] = [];
    await generate(request({ out: join(folder, 'digits'), count: 12, say: (line) => said.push(line) }));
    expect(said).toEqual([expect.stringMatching(/digits: 12 images of seed 1, by /)]);
    const names = readdirSync(join(folder, 'digits'));
    expect(names).toEqual(
      Array.from({ length: 12 }, (_, i) => `image-${String(i + 1).padStart(6, '0')}.png`),
    );
    const generator = await openGenerator(join(folder, 'run'));
    onTestFinished(() => generator.close());
    const { value } = await seededImages(generator, { seed: 1, count: 12 }).next();
    const images = names.map((name) => Buffer.from(decode(bytesOf(join('digits', name))).data));
    expect(Buffer.concat(images).equals(value ?? Buffer.of())).toBe(true);
  });

  it('shows a change from seed to seed in a strip', async () => {
    makeRun(join(folder, 'run'));
    const said: string[] = [];
    const change = { toSeed: 2, count: 3, frames: 6, say: (line: string) => said.push(line) };
    await generate(request({ out: join(folder, 'sub/strip.png'), ...change }));
    expect(said).toEqual([
      expect.stringMatching(/strip\.png: 3 images from seed 1 to seed 2 in 6 frames, by /),
    ]);
    expect(decode(bytesOf('sub/strip.png'))).toMatchObject({
      width: 6 * (28 * 6 + 4) + 4,
      height: 3 * (28 * 6 + 4) + 4,
    });
  });

  it('refuses to write over what is not its own', async () => {
    const run = makeRun(join(folder, 'run'));
    const picture = { name: 'samples.png', bytes: Buffer.from('picture') };
    writeFiles(run, [picture]);
    writeRecord(run, [...files, picture]);
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'a.png'));
    for (const [out, words] of [
      ['run/samples.png', 'run/samples.png belongs to the result of the run beside it'],
      ['run', 'run was expected to be new or empty, found 6 files in it, such as generator.onnx'],
      ['file', 'a folder was expected at'],
      ['a.png', 'a file was expected at'],
      ['file/a.png', 'ENOTDIR'],
      ['file/folder', 'ENOTDIR'],
    ] as const) {
      const refused = generate(request({ out: join(folder, out) }));
      await expect(refused).rejects.toThrow(words);
      await expect(refused).rejects.toMatchObject({ code: 'usage' });
    }
    expect(bytesOf('run/samples.png').toString()).toBe('picture');
    expect(readdirSync(folder).sort()).toEqual(['a.png', 'file', 'run']);
  });

  it("writes where somebody else's run.json lies, and into a folder that is empty", async () => {
    makeRun(join(folder, 'run'));
    writeFileSync(join(folder, 'run.json'), '[]');
    mkdirSync(join(folder, 'empty'));
    writeFileSync(join(folder, 'out.png'), 'before');
    await generate(request({}));
    await generate(request({ out: join(folder, 'empty') }));
    expect(readdirSync(folder).sort()).toEqual(['empty', 'out.png', 'run', 'run.json']);
    expect(decode(bytesOf('out.png')).channels).toBe(1);
    expect(readdirSync(join(folder, 'empty'))).toHaveLength(5);
  });

  it('from a damaged generator is refused, and what was there stays', async () => {
    const run = makeRun(join(folder, 'run'));
    writeFileSync(join(run, 'generator.onnx'), fileNamed(files, 'generator.onnx').subarray(0, 1_000_000));
    writeFileSync(join(folder, 'out.png'), 'before');
    await expect(generate(request({}))).rejects.toThrow('was expected to have SHA-256');
    expect(bytesOf('out.png').toString()).toBe('before');
  });

  it('without permission is refused, for what is read and for what is written', async () => {
    const run = makeRun(join(folder, 'run'));
    await generate(request({})); // loads what a user without rights cannot
    chmodSync(folder, 0o755);
    chmodSync(join(run, 'generator.onnx'), 0o000);
    const read = await withoutPrivileges(() => generate(request({})).catch((error: unknown) => error));
    expect(read).toMatchObject({
      code: 'usage',
      message: `${run}/generator.onnx cannot be read: this user has no permission`,
    });
    chmodSync(join(run, 'generator.onnx'), 0o644);
    chmodSync(folder, 0o555);
    for (const out of ['new.png', 'new.idx.gz', 'new/a.png', 'new']) {
      const written = await withoutPrivileges(() =>
        generate(request({ out: join(folder, out) })).catch((error: unknown) => error),
      );
      expect(written).toMatchObject({ code: 'usage' });
      expect((written as Error).message).toMatch(
        new RegExp(`^--out: ${join(folder, out)} cannot be written \\(EACCES: permission denied\\)`),
      );
    }
    expect(readdirSync(folder).sort()).toEqual(['out.png', 'run']);
  });

  it('keeps nothing when the disk is full, and what was there stays', async (context) => {
    if (!SmallDisk.isPossible()) context.skip('only root on Linux may mount a small file system');
    makeRun(join(folder, 'run'));
    const disk = SmallDisk.mount(1);
    onTestFinished(() => disk.unmount());
    const kept = join(disk.folder, 'all.idx');
    await generate(request({ out: kept, count: 100 }));
    const before = readFileSync(kept);
    for (const out of ['all.idx', 'other.idx.gz', 'folder', 'new/all.idx']) {
      const full = generate(request({ out: join(disk.folder, out), count: 3_000 }));
      await expect(full).rejects.toMatchObject({ code: 'run-failed' });
      await expect(full).rejects.toThrow(
        /cannot be written \(ENOSPC: no space left on device\): nothing of it was kept/,
      );
    }
    expect(readdirSync(disk.folder)).toEqual(['all.idx']);
    expect(readFileSync(kept).equals(before)).toBe(true);
  });

  it.each(['out.png', 'out.idx', 'out.idx.gz', 'folder'])(
    'of %s leaves nothing when it is interrupted',
    async (out) => {
      makeRun(join(folder, 'run'));
      const stop = new AbortController();
      const work = generate(request({ out: join(folder, out), count: 20_000, interrupt: stop.signal }));
      const refused = expect(work).rejects.toMatchObject({ code: 'aborted' });
      const isBegun = (): boolean =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.part'));
      await expect.poll(isBegun, { interval: 1, timeout: 30_000 }).toBe(true);
      stop.abort();
      await refused;
      expect(readdirSync(folder)).toEqual(['run']);
    },
  );

  it('ends with status 130 at Ctrl-C', async () => {
    makeRun(join(folder, 'run'));
    const command = new GanCluster(['generate', 'run', '--out', 'all.idx', '--count', '1000000'], {
      cwd: folder,
    });
    const isPart = (name: string): boolean => name.endsWith('.part');
    await expect.poll(() => readdirSync(folder).some(isPart), { timeout: 30_000 }).toBe(true);
    command.interrupt();
    expect(await command.finished).toMatchObject({
      status: 130,
      stdout: 'Stopped; nothing was written.\n',
      stderr: '',
    });
    expect(existsSync(join(folder, 'all.idx'))).toBe(false);
    expect(readdirSync(folder)).toEqual(['run']);
  });
});
