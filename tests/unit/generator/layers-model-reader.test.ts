import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readLayersModel } from '../../../deploy/generator/layers-model-reader.js';
import type { NamedFile } from '../../../worker/export/index.js';
import { temporaryFolder } from '../../integration/cluster/gan-cluster.js';
import { MODELS, trainedModel } from '../export/trained-model.js';
import { exported, fileNamed, writeFiles } from './exported.js';

interface Layer {
  class_name: string;
  config: Record<string, unknown>;
}
interface Model {
  format: string;
  modelTopology: { class_name: string; config: { layers: Layer[] } };
  weightsManifest: {
    paths: string[];
    weights: { name: string; shape: number[]; dtype: string; quantization?: object }[];
  }[];
  userDefinedMetadata?: unknown;
}

let files: NamedFile[];

beforeAll(async () => {
  files = await exported(trainedModel(MODELS.odd));
});

/** The exported model with another model.json. */
function readEdited(edit: (model: Model, folder: string) => unknown) {
  const folder = temporaryFolder();
  writeFiles(folder, files);
  const model = JSON.parse(new TextDecoder().decode(fileNamed(files, 'model.json'))) as Model;
  edit(model, folder);
  return readLayersModel(join(folder, 'model.json'), Buffer.from(JSON.stringify(model)));
}

function layerOf(model: Model, className: string): Layer {
  const layer = model.modelTopology.config.layers.find(({ class_name: name }) => name === className);
  if (layer === undefined) throw new Error(`the exported model has a ${className}`);
  return layer;
}

function manifest(model: Model) {
  const group = model.weightsManifest[0];
  if (group === undefined) throw new Error('the exported model has weights');
  return group;
}

describe('a model.json', () => {
  it('is read as it was written', async () => {
    expect((await readEdited(() => undefined)).model).toMatchObject({ noiseSize: 7, imageSize: 64 });
  });

  it.each<[string, (model: Model, folder: string) => unknown, RegExp]>([
    [
      'without its weights',
      (_, folder) => rmSync(join(folder, 'weights.bin')),
      /weights\.bin is not there, and model\.json needs it: copy or fetch it as well$/,
    ],
    [
      'with weights elsewhere',
      (model) => (manifest(model).paths = ['../weights.bin']),
      /a name in the same folder/,
    ],
    [
      'with weights of an absolute path',
      (model) => (manifest(model).paths = ['/etc/passwd']),
      /a name in the same folder/,
    ],
    [
      'with weights in two files',
      (model) => manifest(model).paths.push('b.bin'),
      /weightsManifest\.0\.paths/,
    ],
    [
      'with a tensor of any size',
      (model) => (manifest(model).weights[0]!.shape = [2 ** 45]),
      /weights\.bin was expected to have \d+ bytes, as the model tells, found \d+/,
    ],
    [
      'with quantized weights',
      (model) => (manifest(model).weights[0]!.quantization = { dtype: 'uint8' }),
      /quantization/,
    ],
    ['with half floats', (model) => (manifest(model).weights[0]!.dtype = 'float16'), /dtype/],
    [
      'with a graph of layers',
      (model) => (model.modelTopology.class_name = 'Functional'),
      /modelTopology\.class_name/,
    ],
    [
      'of another kind',
      (model) => (model.format = 'graph-model'),
      /as gan-cluster writes LayersModels \(format/,
    ],
    [
      'with a layer of another kind',
      (model) => (layerOf(model, 'LeakyReLU').class_name = 'Conv2D'),
      /layers\.\d+\.class_name/,
    ],
    [
      'with an activation of another kind',
      (model) => (layerOf(model, 'Activation').config['activation'] = 'softmax'),
      /activation/,
    ],
    [
      'with a dense layer that has one',
      (model) => (layerOf(model, 'Dense').config['activation'] = 'relu'),
      /activation/,
    ],
    [
      'with a dense layer without bias',
      (model) => (layerOf(model, 'Dense').config['use_bias'] = false),
      /use_bias/,
    ],
    [
      'with a slope below zero',
      (model) => (layerOf(model, 'LeakyReLU').config['alpha'] = -1),
      /has layers that no generator has \(layers\.2\.slope/,
    ],
    [
      'without the size of its noise',
      (model) => delete model.modelTopology.config.layers[0]!.config['batch_input_shape'],
      /has layers that no generator has \(inputSize/,
    ],
    [
      'with other noise',
      (model) => (model.modelTopology.config.layers[0]!.config['batch_input_shape'] = [null, 8]),
      /of 7 values, where a generator's layers need 8/,
    ],
    [
      'with metadata that is no text',
      (model) => (model.userDefinedMetadata = { step: 1 }),
      /userDefinedMetadata\.step/,
    ],
  ])('%s is refused', async (_, edit, words) => {
    await expect(readEdited(edit)).rejects.toThrow(words);
  });

  it('of a megabyte and more is not parsed', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'weights.bin'), '');
    const bytes = Buffer.from(`"${'x'.repeat(1 << 20)}"`);
    await expect(readLayersModel(join(folder, 'model.json'), bytes)).rejects.toThrow('is no whole JSON');
  });
});
