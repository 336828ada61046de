import { writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openGenerator, type Generator } from '../../../deploy/generator/index.js';
import { sha256Of } from '../../../proto/runtime/sha256.js';
import { onnxFile, type NamedFile } from '../../../worker/export/index.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { temporaryFolder } from '../../integration/cluster/gan-cluster.js';
import { float64Output, maxDifference, spread } from '../export/float64-network.js';
import { MODEL_NAMES, MODELS, noiseRows, STATE_SHA256, trainedModel } from '../export/trained-model.js';
import { exported, fileNamed, STEP, writeFiles, writeRecord } from './exported.js';

const ROWS = 150;
const TOLERANCE = 1e-5;
const FORMATS = {
  'generator.onnx': 'onnx',
  'model.json': 'layers-model',
  'generator.safetensors': 'safetensors',
};

async function opened(path: string): Promise<Generator> {
  const generator = await openGenerator(path);
  onTestFinished(() => generator.close());
  return generator;
}

const sameBytes = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

describe.each(MODEL_NAMES)('a generator of the %s model', (name) => {
  const trained = trainedModel(MODELS[name]);
  const { model } = trained;
  const noise = noiseRows(model, ROWS);
  let files: NamedFile[];

  beforeAll(async () => {
    files = await exported(trained);
  });

  it('makes the same images from every format, those of the network', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, files);
    const expected = float64Output(trained, 'generator', noise);
    expect(spread(expected)).toBeGreaterThan(0.1);
    let first: Float32Array | undefined;
    for (const [file, format] of Object.entries(FORMATS)) {
      const generator = await opened(join(folder, file));
      const weights = file === 'model.json' ? fileNamed(files, 'weights.bin') : new Uint8Array();
      expect(generator).toMatchObject({
        path: join(folder, file),
        format,
        sha256: sha256Of(Buffer.concat([fileNamed(files, file), weights])),
        noiseSize: model.generator.inputSize,
        imageSize: model.discriminator.inputSize,
      });
      expect(generator.provenance).toMatchObject({ step: String(STEP), state_sha256: STATE_SHA256 });
      const images = await generator.generate(noise);
      expect(maxDifference(images, expected)).toBeLessThan(TOLERANCE);
      first ??= images;
      expect(sameBytes(images, first), `the bits of ${file}`).toBe(true);
    }
  });

  it('makes an image that does not depend on how many others are made', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, files);
    const generator = await opened(folder);
    const { noiseSize, imageSize } = generator;
    const all = await generator.generate(noise);
    for (const count of [0, 1, 2, 63, 64, 65, 128, ROWS]) {
      const some = await generator.generate(noise.subarray(0, count * noiseSize));
      expect(sameBytes(some, all.subarray(0, count * imageSize)), `${count} images`).toBe(true);
    }
  });
});

describe('a folder', () => {
  let files: NamedFile[];

  beforeAll(async () => {
    files = await exported(trainedModel(MODELS.odd));
  });

  it('is taken for the first format that it holds', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, files);
    expect(await opened(folder)).toMatchObject({ format: 'onnx' });
    await rm(join(folder, 'generator.onnx'));
    expect(await opened(folder)).toMatchObject({ format: 'layers-model' });
    await rm(join(folder, 'model.json'));
    expect(await opened(`${folder}/`)).toMatchObject({ format: 'safetensors' });
  });

  it.each(Object.keys(FORMATS))('with a run.json vouches for %s, and one bit is found', async (name) => {
    const folder = temporaryFolder();
    writeFiles(folder, files);
    writeRecord(folder, files);
    const path = join(folder, name);
    await opened(path);
    const weightsName = name === 'model.json' ? 'weights.bin' : name;
    const bytes = Uint8Array.from(fileNamed(files, weightsName));
    const last = bytes.length - (weightsName === 'generator.onnx' ? 3 : 1);
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    writeFileSync(join(folder, weightsName), bytes);
    await expect(openGenerator(path)).rejects.toThrow(
      new RegExp(`^${join(folder, weightsName)} was expected to have SHA-256 [0-9a-f]{64}, as run.json`),
    );
  });

  it('with a record that does not tell of the file proves nothing against it', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, files);
    writeRecord(folder, [], 'running');
    expect(await opened(folder)).toMatchObject({ format: 'onnx' });
  });

  it.each([
    ['{"outcome":"done"', 'is no JSON'],
    ['{"outcome":"lost"}', 'record of a run \\(outcome: '],
  ])('with the record %s is refused', async (record, words) => {
    const folder = temporaryFolder();
    writeFiles(folder, files);
    writeFileSync(join(folder, 'run.json'), record);
    await expect(openGenerator(folder)).rejects.toThrow(
      new RegExp(`^${join(folder, 'run.json')} .*${words}`),
    );
  });

  it('of a run without a generator tells how far it is', async () => {
    const folder = temporaryFolder();
    writeRecord(folder, [], 'interrupted');
    await expect(openGenerator(folder)).rejects.toThrow(
      `${folder} has no generator yet: its run was interrupted at step ${STEP} of ${STEP}`,
    );
  });

  it('with nothing in it, or with other things, is told apart', async () => {
    const folder = temporaryFolder();
    await expect(openGenerator(folder)).rejects.toThrow(
      `${folder} was expected to hold generator.onnx, model.json or generator.safetensors, it is empty`,
    );
    writeFileSync(join(folder, 'notes.txt'), '');
    await expect(openGenerator(folder)).rejects.toThrow('found 1 other file:');
    await mkdir(join(folder, 'generator.onnx'));
    await expect(openGenerator(folder)).rejects.toThrow('generator.onnx was expected to be a file');
  });
});

describe('a path', () => {
  it.each([
    ['nothing', 'is not there; generator.onnx, model.json or generator.safetensors, or a folder'],
    ['notes.txt', 'was expected to end in .onnx, .json, .safetensors'],
    ['notes.txt/generator.onnx', 'is not there: a part of its path is a file'],
    ['weights.bin', 'holds weights alone: name the model.json beside it'],
    ['empty.onnx', 'is empty'],
    ['empty.json', 'is empty'],
  ])('to %s is refused with what was expected', async (name, words) => {
    const folder = temporaryFolder();
    for (const file of ['notes.txt', 'weights.bin', 'empty.onnx', 'empty.json'])
      writeFileSync(join(folder, file), file.startsWith('empty') ? '' : 'text');
    const path = join(folder, name);
    await expect(openGenerator(path)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(`^${path} ${words}`) as string,
    });
  });
});

it('does not let a file steer the terminal that shows what it says', async () => {
  const folder = temporaryFolder();
  const { model, parameters, statistics } = trainedModel(MODELS.odd);
  const network = trainedNetwork(model, 'generator', parameters, statistics);
  const bytes = onnxFile(network, { step: '3\u001b[2J\r\n', 'a\u0007': 'Zahlen "groß" 数字' });
  writeFiles(folder, [{ name: 'generator.onnx', bytes }]);
  const { provenance } = await opened(folder);
  expect(provenance).toEqual({ step: '3 [2J ', 'a ': 'Zahlen "groß" 数字' });
});

describe('what is no generator', () => {
  it.each([
    ['discriminator.onnx', 'was expected to be a generator, noise -> images; found images -> probability'],
    ['discriminator-model.json', 'makes 1 value a row: a discriminator is no generator'],
    ['discriminator.safetensors', 'is it of another network?'],
  ])('is told: %s', async (name, words) => {
    const folder = temporaryFolder();
    writeFiles(folder, await exported(trainedModel(MODELS.tutorial)));
    await expect(openGenerator(join(folder, name))).rejects.toThrow(words);
  });

  it('is told: images that are not square', async () => {
    const { discriminator, generator } = MODELS.odd;
    const layers = generator.layers.map((layer) =>
      layer.kind === 'dense' && layer.units === 64 ? { ...layer, units: 63 } : layer,
    );
    const model = { generator: { ...generator, layers }, discriminator: { ...discriminator, inputSize: 63 } };
    const folder = temporaryFolder();
    // Its sample images could not be drawn either.
    await expect(exported(trainedModel(model))).rejects.toThrow('images are square');
    const { parameters, statistics } = trainedModel(model);
    const bytes = onnxFile(trainedNetwork(model, 'generator', parameters, statistics), {});
    writeFiles(folder, [{ name: 'generator.onnx', bytes }]);
    await expect(openGenerator(folder)).rejects.toThrow(
      'makes 63 values a row: it is no generator of images',
    );
  });
});
