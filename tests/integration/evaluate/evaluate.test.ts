import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Evaluation } from '../../../deploy/evaluate/index.js';
import { drawnDigits, fourFiles, idxOf } from '../../unit/evaluate/small-digits.js';
import { GanCluster, ganCluster, temporaryFolder } from '../cluster/gan-cluster.js';

let folder = '';
const COUNT = 300;

/** A small data set, and images to score. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gan-cluster-test-'));
  const sets = { training: drawnDigits(2_500, 1), test: drawnDigits(300, 2) };
  for (const [name, bytes] of fourFiles(sets)) writeFileSync(join(folder, name), bytes);
  writeFileSync(join(folder, 'samples.idx'), idxOf(drawnDigits(COUNT, 3).images));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const command = (...more: string[]): string[] => [
  'evaluate',
  join(folder, 'samples.idx'),
  '--data',
  folder,
  '--count',
  String(COUNT),
  ...more,
];
const inCache = (cache: string) => ({ env: { GAN_CACHE_DIR: cache } });

describe('gan-cluster evaluate', () => {
  it('prints one JSON object, the same each time, and trains its classifier only once', async () => {
    const cache = inCache(join(temporaryFolder(), 'cache'));
    const first = await ganCluster(command('--json'), cache);
    expect(first.stderr).toBe('training the digit classifier, once; it is kept for the next time ...\n');
    expect(first.status).toBe(0);
    const evaluation = JSON.parse(first.stdout) as Evaluation;
    expect(evaluation.samples.count).toBe(COUNT);
    expect(evaluation.classifier.testAccuracy).toBeGreaterThan(0.9);
    expect(Math.abs(evaluation.samples.coverage - evaluation.real.coverage)).toBeLessThan(0.1);
    expect(evaluation.samples.digits.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);

    const out = join(temporaryFolder(), 'new', 'scores.json');
    const second = await ganCluster(command('--out', out), cache);
    expect(second.stderr).toBe('');
    expect(second.status).toBe(0);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(evaluation);
    expect(second.stdout).toContain(`${COUNT} of ${COUNT} in ${join(folder, 'samples.idx')}`);
    expect(second.stdout).toContain(evaluation.samples.logLikelihood.nats.toFixed(1));
  });

  it('ends in order on Ctrl-C, and leaves nothing half-written', async () => {
    const cache = join(temporaryFolder(), 'cache');
    const out = join(temporaryFolder(), 'scores.json');
    const cluster = new GanCluster(command('--out', out), inCache(cache));
    // The first word comes when the training of the classifier begins.
    await new Promise((resolve) => cluster.child.stderr?.once('data', resolve));
    cluster.interrupt();
    const { status, stdout, stderr } = await cluster.finished;
    expect(status).toBe(130);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/\nStopped; nothing was written\.\n$/);
    expect(existsSync(out)).toBe(false);
    expect(existsSync(cache) ? readdirSync(cache) : []).toEqual([]);
  });

  it.each([
    [
      'a path that is not there',
      ['evaluate', '/nowhere/generator.onnx'],
      /^error: \/nowhere\/generator\.onnx .*\n$/,
    ],
    [
      'fewer images than asked for',
      () => command('--count', '400'),
      /holds 300 images; 400 were expected: --count 300/,
    ],
    [
      'a count below what can be scored',
      () => command('--count', '7'),
      /A whole number from 100 to 100000 was expected/,
    ],
    [
      'data that is not there',
      () => command('--data', '/nowhere'),
      /^error: --data: \/nowhere is not there; mnist or/,
    ],
    ['a folder to write to', () => command('--out', folder), /^error: --out: .* is no file/],
    ['a folder without images', () => ['evaluate', folder], /holds neither a generator .* nor PNG images/],
    ['no run at all', ['evaluate'], /^error: a generator was expected, and there is no run in runs\//],
  ])('refuses %s in plain words', async (_what, args, words) => {
    const cwd = temporaryFolder();
    const asked = typeof args === 'function' ? args() : args;
    const { status, stdout, stderr } = await ganCluster(asked, { cwd, ...inCache(join(cwd, 'cache')) });
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stdout).toBe('');
    expect(status).toBe(2);
    expect(readdirSync(cwd)).toEqual([]);
  });
});
