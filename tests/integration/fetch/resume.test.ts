import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchResult, type FetchOptions } from '../../../deploy/fetch/index.js';
import { UsageError } from '../../../proto/index.js';
import { sha256Of } from '../../../proto/runtime/sha256.js';
import { GanCluster, temporaryFolder } from '../cluster/gan-cluster.js';
import { RoughProxy } from './rough-proxy.js';
import { ServedRun } from './served-run.js';

/** No two pieces of it are alike. */
function content(seed: number, bytes = 1_000_000): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  let word = seed;
  for (let i = 0; i < words.length; i++) words[i] = word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
  return new Uint8Array(words.buffer);
}

const NAME = 'generator.onnx';
const ONE = content(1);

let served: ServedRun;
let proxy: RoughProxy;
let out: string;
let said: string[];

beforeEach(async () => {
  served = await ServedRun.start();
  proxy = await RoughProxy.start(() => served.port);
  out = temporaryFolder();
  said = [];
});
afterEach(async () => {
  expect(proxy.left).toBe(0);
  await proxy.close();
  await served.close();
});

const options = (extra: Partial<FetchOptions> = {}): FetchOptions => ({
  ...{ url: proxy.url, out, waitMs: 5_000, interrupt: new AbortController().signal },
  ...{ newest: false, discriminator: false, say: (line: string) => void said.push(line) },
  ...extra,
});

const partOf = (bytes: Uint8Array): string => `${NAME}.${sha256Of(bytes).slice(0, 12)}.part`;
const triesAgain = (): Promise<void> =>
  expect.poll(() => said.some((line) => line.includes('trying again')), { timeout: 20_000 }).toBe(true);
const ranges = (): string[] => proxy.seen.filter((line) => line.includes(NAME));

describe('a download whose connection is cut', () => {
  it('goes on where it was, as often as that happens', async () => {
    await served.finish('done', { [NAME]: ONE });
    proxy.plan(NAME, { cutAfter: 300_000 });
    proxy.plan(NAME, { status: 503 });
    proxy.plan(NAME, { cutAfter: 300_000 });
    await fetchResult(options());
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(ONE));
    const told = said.map(
      (line) => /^generator\.onnx: .*, (\d+) of 1000000 bytes are here: trying again/.exec(line)?.[1],
    );
    const [first = '', second = ''] = told.filter((bytes) => bytes !== undefined);
    // What was on its way when the connection was cut may be lost with it.
    expect(Number(first)).toBeGreaterThan(100_000);
    expect(Number(second)).toBeGreaterThan(Number(first));
    expect(ranges()).toEqual([
      '/artifacts/generator.onnx',
      `/artifacts/generator.onnx bytes=${first}-`,
      `/artifacts/generator.onnx bytes=${first}-`,
      `/artifacts/generator.onnx bytes=${second}-`,
    ]);
  });

  it('is given up after a while in one line, and is gone on with by the next', async () => {
    await served.finish('done', { [NAME]: ONE });
    proxy.plan(NAME, { cutAfter: 400_000 });
    proxy.plan(NAME, { status: 502 });
    await expect(fetchResult(options({ waitMs: 300 }))).rejects.toThrow(
      /^generator\.onnx could not be fetched whole \(HTTP 502, for 0\.3 s\): \d{6} of 1000000 bytes are here, fetch again to go on from there$/,
    );
    expect(readdirSync(out)).toEqual([partOf(ONE)]);
    const { size } = statSync(join(out, partOf(ONE)));
    await fetchResult(options());
    expect(ranges().at(-1)).toBe(`/artifacts/generator.onnx bytes=${size}-`);
    expect(readdirSync(out).sort()).toEqual([NAME, 'run.json']);
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(ONE));
  });

  it('outlives a coordinator that is started again', async () => {
    await served.finish('done', { [NAME]: ONE });
    const { port } = served;
    proxy.plan(NAME, { cutAfter: 400_000 });
    const fetching = fetchResult(options({ say: (line) => void said.push(line) }));
    await triesAgain();
    await served.close();
    await served.listen(port);
    await fetching;
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(ONE));
  });

  it('begins anew where something on the way knows no ranges', async () => {
    await served.finish('done', { [NAME]: ONE });
    proxy.plan(NAME, { cutAfter: 400_000 });
    proxy.plan(NAME, { dropsRanges: true });
    await fetchResult(options());
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(ONE));
  });
});

it('a name that the coordinator does not serve is refused in words, without waiting', async () => {
  proxy.plan('/artifacts/', { status: 403 });
  const refused = fetchResult(options());
  await expect(refused).rejects.toThrow(UsageError);
  await expect(refused).rejects.toThrow('does not serve that name: use an address or localhost');
});

describe('what lies there of an earlier download', () => {
  it('is of another file by now: it goes, and the new one is fetched whole', async () => {
    await served.finish('done', { [NAME]: ONE });
    proxy.plan(NAME, { cutAfter: 400_000 });
    proxy.plan(NAME, { status: 502 });
    await expect(fetchResult(options({ waitMs: 100 }))).rejects.toThrow('fetch again to go on');
    const two = content(2);
    await served.finish('done', { [NAME]: two });
    await fetchResult(options());
    expect(ranges().at(-1)).toBe('/artifacts/generator.onnx');
    expect(readdirSync(out).sort()).toEqual([NAME, 'run.json']);
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(two));
  });

  it.each([
    ['damaged', ONE.map((byte, i) => (i === 100 ? byte ^ 1 : byte)).subarray(0, 400_000)],
    ['whole and damaged', ONE.map((byte, i) => (i === 100 ? byte ^ 1 : byte))],
  ])('is %s: that is found out, it goes, and the next attempt has the file', async (_, bytes) => {
    await served.finish('done', { [NAME]: ONE });
    writeFileSync(join(out, partOf(ONE)), bytes);
    await expect(fetchResult(options())).rejects.toThrow('generator.onnx was expected with SHA-256');
    expect(readdirSync(out)).toEqual([]);
    await fetchResult(options());
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(ONE));
  });

  it('is of a file that is there by now: it goes', async () => {
    await served.finish('done', { [NAME]: ONE });
    writeFileSync(join(out, NAME), ONE);
    writeFileSync(join(out, partOf(content(2))), 'x');
    await fetchResult(options());
    expect(readdirSync(out).sort()).toEqual([NAME, 'run.json']);
  });

  it('is whole, or longer than whole', async () => {
    await served.finish('done', { [NAME]: ONE });
    writeFileSync(join(out, partOf(ONE)), ONE);
    await fetchResult(options());
    expect(ranges()).toEqual([]);
    const other = temporaryFolder();
    writeFileSync(join(other, partOf(ONE)), Buffer.concat([ONE, ONE]));
    await fetchResult(options({ out: other }));
    expect(ranges()).toEqual(['/artifacts/generator.onnx']);
    for (const folder of [out, other]) expect(statSync(join(folder, NAME)).size).toBe(ONE.byteLength);
  });

  it('is being fetched by another process too: both come to an end', async () => {
    await served.finish('done', { [NAME]: ONE });
    proxy.plan(NAME, { cutAfter: 400_000 });
    proxy.plan(NAME, { cutAfter: 700_000 });
    await Promise.all([fetchResult(options()), fetchResult(options())]);
    expect(readdirSync(out).sort()).toEqual([NAME, 'run.json']);
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(ONE));
  });
});

describe('a generator that is replaced while it is fetched', () => {
  const newest = (extra: Partial<FetchOptions> = {}): FetchOptions => options({ newest: true, ...extra });

  it('is fetched anew, and nothing is of two', async () => {
    const [two, three, four] = [content(2), content(3), content(4)];
    served.answer = { kind: 'kept' };
    await served.keep(10, { [NAME]: ONE, 'weights.bin': two });
    proxy.plan('weights.bin', { cutAfter: 100_000 });
    proxy.plan('10/weights.bin', { status: 503, always: true });
    const fetching = fetchResult(newest());
    await triesAgain();
    for (const step of [20, 30]) await served.keep(step, { [NAME]: three, 'weights.bin': four });
    proxy.relent();
    expect(await fetching).toMatchObject({ step: 30 });
    expect(readdirSync(out).sort()).toEqual([NAME, 'run.json', 'weights.bin']);
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(three));
    expect(sha256Of(readFileSync(join(out, 'weights.bin')))).toBe(sha256Of(four));
  });

  it('is fetched to its end while only the next one is there', async () => {
    served.answer = { kind: 'kept' };
    await served.keep(10, { [NAME]: ONE });
    proxy.plan(NAME, { cutAfter: 100_000 });
    const fetching = fetchResult(newest());
    await triesAgain();
    await served.keep(20, { [NAME]: content(3) });
    expect(await fetching).toMatchObject({ step: 10 });
    expect(sha256Of(readFileSync(join(out, NAME)))).toBe(sha256Of(ONE));
  });
});

it('Ctrl-C keeps what has come, and says so', async () => {
  await served.finish('done', { [NAME]: ONE });
  proxy.plan(NAME, { cutAfter: 400_000 });
  proxy.plan(NAME, { status: 503, always: true });
  const fetching = new GanCluster(['fetch', '--url', proxy.url, '--out', out]);
  await fetching.printed('trying again');
  fetching.interrupt();
  const end = await fetching.finished;
  expect(end).toMatchObject({ status: 130, stderr: '' });
  expect(end.stdout).toContain('Stopped; what has come is kept: fetch again to go on from there.');
  expect(readdirSync(out)).toEqual([partOf(ONE)]);
  const part = readFileSync(join(out, partOf(ONE)));
  expect(part.byteLength).toBeGreaterThan(100_000);
  expect(Buffer.compare(part, ONE.subarray(0, part.byteLength))).toBe(0);
});
