import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parametersSha256 } from '../../../deploy/evaluate/classifier/classifier-cache.js';
import { loadDigitClassifier } from '../../../deploy/evaluate/classifier/index.js';
import { loadOnnxRuntime } from '../../../worker/engine/onnx/index.js';
import { drawnDigits, smallDigits } from './small-digits.js';

const runtime = loadOnnxRuntime();
const digits = { ...smallDigits(300, 50), test: drawnDigits(50, 2) };
let cacheFolder = '';

beforeEach(() => {
  cacheFolder = mkdtempSync(join(tmpdir(), 'gan-cluster-test-'));
});
afterEach(() => rmSync(cacheFolder, { recursive: true, force: true }));

/** The classifier, and the images that were trained with: none when it came from the cache. */
async function load(of = digits, folder = cacheFolder) {
  let trained = 0;
  const said: string[] = [];
  const classifier = await loadDigitClassifier(of, {
    runtime,
    cacheFolder: folder,
    say: (line) => said.push(line),
    onWork: (done) => {
      trained = done;
      return Promise.resolve();
    },
  });
  return { classifier, trained, said };
}

const files = (): string[] => readdirSync(join(cacheFolder, 'digit-classifier'));
const file = (): string => join(cacheFolder, 'digit-classifier', files()[0] ?? '');

describe('the cache of the digit classifier', () => {
  it('keeps what was trained, with where it comes from', async () => {
    const first = await load();
    expect(first.trained).toBeGreaterThan(0);
    expect(first.said).toHaveLength(1);
    const second = await load();
    expect(second.trained).toBe(0);
    expect(second.said).toEqual([]);
    expect(second.classifier.sha256).toBe(first.classifier.sha256);
    expect(parametersSha256(second.classifier.parameters)).toBe(first.classifier.sha256);
    expect(second.classifier.testAccuracy).toBe(first.classifier.testAccuracy);
    expect(second.classifier.origin).toEqual({
      datasetSha256: digits.sha256,
      engine: `onnxruntime-node ${runtime.env.versions.node}`,
      method: expect.stringContaining('"momentum"') as string,
    });
  });

  it.each([
    [
      'one bit of a weight',
      (text: string) =>
        text.replace(
          /("parameters":".{5000})(.)/,
          (_all, before: string, one: string) => before + (one === 'A' ? 'B' : 'A'),
        ),
    ],
    ['its end', (text: string) => text.slice(0, -1_000)],
    ['everything', () => ''],
    ['its hash', (text: string) => text.replace(/"sha256":"./, '"sha256":"x')],
    ['what it comes from', (text: string) => text.replace('"engine":"onnx', '"engine":"onyx')],
  ])('makes it anew when %s is damaged', async (_what, damage) => {
    const { classifier } = await load();
    const whole = readFileSync(file(), 'utf8');
    writeFileSync(file(), damage(whole));
    expect(readFileSync(file(), 'utf8')).not.toBe(whole);
    const again = await load();
    expect(again.trained).toBeGreaterThan(0);
    expect(again.classifier.sha256).toBe(classifier.sha256);
    expect(readFileSync(file(), 'utf8')).toBe(whole);
  });

  it('keeps those of other data beside it', async () => {
    await load();
    const other = await load({ ...digits, training: drawnDigits(300, 5), sha256: 'c'.repeat(64) });
    expect(other.trained).toBeGreaterThan(0);
    expect(files()).toHaveLength(2);
    expect((await load()).trained).toBe(0);
  });

  it('says so when nothing can be kept, and goes on', async () => {
    const blocked = join(cacheFolder, 'a file');
    writeFileSync(blocked, '');
    const { said, classifier } = await load(digits, blocked);
    expect(said[1]).toMatch(
      /^the digit classifier cannot be kept \(.*ENOTDIR.*\): it is trained anew each time, unless GAN_CACHE_DIR/,
    );
    expect(classifier.parameters.every(Number.isFinite)).toBe(true);
  });
});
