import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layersModelFiles } from '../../../worker/export/layers-model.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { float64Images, maxDifference } from './float64-generator.js';
import { MODEL_NAMES, MODELS, noiseRows, trainedModel } from './trained-model.js';
import type { TrainedModel } from './trained-model.js';

const ROWS = 1000;
const TOLERANCE = 1e-5;
const METADATA = { seed: '41', dataset: 'MNIST' };

beforeAll(async () => {
  // Says nothing about faster backends.
  tf.enableProdMode();
  await tf.setBackend('cpu');
});

function filesOf({ model, parameters, statistics }: TrainedModel): Map<string, Uint8Array> {
  const network = trainedNetwork(model, 'generator', parameters, statistics);
  return new Map(layersModelFiles('generator', network, METADATA).map(({ name, bytes }) => [name, bytes]));
}

/** Loads as a browser does: model.json first, then the files that it names. */
function handlerOf(files: Map<string, Uint8Array>): tf.io.IOHandler {
  const file = (name: string): Uint8Array => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`no file ${name}`);
    return bytes;
  };
  return {
    load: () =>
      tf.io.getModelArtifactsForJSON(
        JSON.parse(new TextDecoder().decode(file('model.json'))) as tf.io.ModelJSON,
        (manifest) => {
          const paths = manifest.flatMap((group) => group.paths);
          const specs = manifest.flatMap((group) => group.weights);
          return Promise.resolve([specs, new Uint8Array(Buffer.concat(paths.map(file))).buffer]);
        },
      ),
  };
}

describe.each(MODEL_NAMES)('model.json and weights.bin of the %s model', (name) => {
  const trained = trainedModel(MODELS[name]);
  const { model } = trained;
  const { inputSize } = model.generator;
  const imageSize = model.discriminator.inputSize;
  const files = filesOf(trained);
  const noise = noiseRows(model, ROWS);
  let loaded: tfl.LayersModel;
  let expected: Float64Array;

  beforeAll(async () => {
    loaded = await tfl.loadLayersModel(handlerOf(files));
    expected = float64Images(trained, noise);
  });
  afterAll(() => {
    loaded.dispose();
  });

  function images(from: tfl.LayersModel, rows: Float32Array): Float32Array {
    return tf.tidy(() => {
      const output = from.predict(tf.tensor2d(rows, [rows.length / inputSize, inputSize]));
      if (Array.isArray(output)) throw new Error('the model has one output');
      expect(output.shape).toEqual([rows.length / inputSize, imageSize]);
      return output.dataSync<'float32'>();
    });
  }

  it('computes what the network computes in evaluation mode', () => {
    expect(maxDifference(images(loaded, noise), expected)).toBeLessThan(TOLERANCE);
  });

  it('takes a single row', () => {
    const found = images(loaded, noise.slice(0, inputSize));
    expect(maxDifference(found, expected.slice(0, imageSize))).toBeLessThan(TOLERANCE);
  });

  it('loads a second time beside the first', async () => {
    const second = await tfl.loadLayersModel(handlerOf(files));
    const row = noise.slice(0, inputSize);
    expect(maxDifference(images(second, row), expected.slice(0, imageSize))).toBeLessThan(TOLERANCE);
    second.dispose();
  });

  it('says what it is and where it comes from', () => {
    expect(loaded.name).toBe('generator');
    expect(loaded.inputs.map(({ shape }) => shape)).toEqual([[null, inputSize]]);
    expect(loaded.outputs.map(({ shape }) => shape)).toEqual([[null, imageSize]]);
    expect(loaded.getUserDefinedMetadata()).toEqual(METADATA);
  });

  it('keeps the description: layers, slopes, epsilons and momenta', () => {
    const layers = loaded.layers.filter((layer) => layer.getClassName() !== 'InputLayer');
    const found = layers.map((layer) => {
      const { units, epsilon, momentum, alpha, activation } = layer.getConfig();
      switch (layer.getClassName()) {
        case 'Dense':
          return { kind: 'dense', units };
        case 'BatchNormalization':
          return { kind: 'batchNorm', epsilon, momentum };
        case 'ReLU':
          return { kind: 'relu' };
        case 'LeakyReLU':
          return { kind: 'leakyRelu', slope: alpha };
        default:
          return { kind: activation };
      }
    });
    expect(found).toEqual(model.generator.layers);
  });
});
