import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openGenerator } from '../../../deploy/generator/index.js';
import { UsageError } from '../../../proto/index.js';
import type { NamedFile } from '../../../worker/export/index.js';
import { temporaryFolder } from '../../integration/cluster/gan-cluster.js';
import { MODELS, trainedModel } from '../export/trained-model.js';
import { damage } from '../hostile/damage.js';
import { exported, fileNamed, writeFiles } from './exported.js';

const RUNS = { numRuns: 60 };

type Judgement = 'opened' | 'refused';

/** Opened and tried, or refused in one line that begins with a file of the folder; anything else thrown stays thrown. */
async function judged(path: string, folder: string): Promise<Judgement> {
  try {
    const generator = await openGenerator(path);
    const images = await generator.generate(new Float32Array(generator.noiseSize));
    await generator.close();
    expect(images.length).toBe(generator.imageSize);
    expect(images.every(Number.isFinite)).toBe(true);
    return 'opened';
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    expect(error.message.startsWith(folder)).toBe(true);
    expect(error.message.length).toBeLessThan(1_000);
    expect(error.message).not.toMatch(/\p{Cc}/u);
    return 'refused';
  }
}

/** Where an ONNX file's metadata begins: cut off behind that it is a whole file that says less of itself. */
function endOfContent(name: string, bytes: Uint8Array): number {
  if (name !== 'generator.onnx') return bytes.length - 1;
  const tagsAndLengths = 4;
  return Buffer.from(bytes).indexOf('producer') - tagsAndLengths;
}

describe.each([
  ['generator.onnx', 'generator.onnx'],
  ['model.json', 'model.json'],
  ['model.json', 'weights.bin'],
  ['generator.safetensors', 'generator.safetensors'],
])('opening %s', (opened, damaged) => {
  let files: NamedFile[];
  let whole: Uint8Array;

  beforeAll(async () => {
    files = await exported(trainedModel(MODELS.odd));
    whole = fileNamed(files, damaged);
  });

  /** Judges the exported files with one of them replaced, as often as it is asked. */
  function judge(): (bytes: Uint8Array) => Promise<Judgement> {
    const folder = temporaryFolder();
    writeFiles(folder, files);
    return (bytes) => {
      writeFileSync(join(folder, damaged), bytes);
      return judged(join(folder, opened), folder);
    };
  }

  it(`works with a whole ${damaged}`, async () => {
    expect(await judge()(whole)).toBe('opened');
  });

  it(`refuses ${damaged} cut off anywhere`, async () => {
    const judgeWith = judge();
    const ends = fc.integer({ min: 0, max: endOfContent(damaged, whole) - 1 });
    await fc.assert(
      fc.asyncProperty(ends, async (end) => {
        expect(await judgeWith(whole.slice(0, end))).toBe('refused');
      }),
      RUNS,
    );
  });

  it(`opens or refuses ${damaged}, whatever happened to it`, async () => {
    const judgeWith = judge();
    const others = Buffer.concat(files.map(({ bytes }) => bytes));
    const outcomes = new Set<Judgement>();
    await fc.assert(
      fc.asyncProperty(damage, async (harm) => {
        outcomes.add(await judgeWith(harm(whole, others)));
      }),
      RUNS,
    );
    expect(outcomes).toContain('refused');
  });

  it(`refuses noise in place of ${damaged}`, async () => {
    const judgeWith = judge();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await judgeWith(bytes)).toBe('refused');
      }),
      RUNS,
    );
  });
});

it.each(['model.json', 'weights.bin', 'generator.safetensors'])(
  'refuses bytes after the end of %s',
  async (name) => {
    const files = await exported(trainedModel(MODELS.odd));
    const folder = temporaryFolder();
    writeFiles(folder, files);
    writeFileSync(join(folder, name), Buffer.concat([fileNamed(files, name), Buffer.from('more')]));
    const path = join(folder, name === 'weights.bin' ? 'model.json' : name);
    expect(await judged(path, folder)).toBe('refused');
  },
);
