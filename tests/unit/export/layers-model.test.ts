import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetworkName } from '../../../proto/index.js';
import { layersModelFiles } from '../../../worker/export/layers-model.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { float64Output, maxDifference, spread } from './float64-network.js';
import { inputRows, MODELS, NETWORKS, trainedModel } from './trained-model.js';
import type { TrainedModel } from './trained-model.js';

const ROWS = 100;
const TOLERANCE = 1e-5;
const METADATA = { seed: '41', dataset: 'MNIST' };
const NAMES: Record<NetworkName, readonly [model: string, weights: string]> = {
  generator: ['model.json', 'weights.bin'],
  discriminator: ['discriminator-model.json', 'discriminator-weights.bin'],
};

beforeAll(async () => {
  // Says nothing about faster backends.
  tf.enableProdMode();
  await tf.setBackend('cpu');
});

function filesOf(
  { model, parameters, statistics }: TrainedModel,
  network: NetworkName,
): Map<string, Uint8Array> {
  const trained = trainedNetwork(model, network, parameters, statistics);
  return new Map(layersModelFiles(trained, METADATA).map(({ name, bytes }) => [name, bytes]));
}

/** Loads as a browser does: the model's file first, then the files that it names. */
function handlerOf(files: Map<string, Uint8Array>, modelFile: string): tf.io.IOHandler {
  const file = (name: string): Uint8Array => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`no file ${name}`);
    return bytes;
  };
  return {
    load: () =>
      tf.io.getModelArtifactsForJSON(
        JSON.parse(new TextDecoder().decode(file(modelFile))) as tf.io.ModelJSON,
        (manifest) => {
          const paths = manifest.flatMap((group) => group.paths);
          const specs = manifest.flatMap((group) => group.weights);
          return Promise.resolve([specs, new Uint8Array(Buffer.concat(paths.map(file))).buffer]);
        },
      ),
  };
}

describe.each(NETWORKS)('the LayersModel of the $model $network', ({ model: modelName, network }) => {
  const trained = trainedModel(MODELS[modelName]);
  const { model } = trained;
  const { inputSize } = model[network];
  const outputSize = network === 'generator' ? model.discriminator.inputSize : 1;
  const files = filesOf(trained, network);
  const load = (): Promise<tfl.LayersModel> => tfl.loadLayersModel(handlerOf(files, NAMES[network][0]));
  const x = inputRows(model, network, ROWS);
  let loaded: tfl.LayersModel;
  let expected: Float64Array;

  beforeAll(async () => {
    loaded = await load();
    expected = float64Output(trained, network, x);
  });
  afterAll(() => {
    loaded.dispose();
  });

  function outputOf(from: tfl.LayersModel, rows: Float32Array): Float32Array {
    return tf.tidy(() => {
      const output = from.predict(tf.tensor2d(rows, [rows.length / inputSize, inputSize]));
      if (Array.isArray(output)) throw new Error('the model has one output');
      expect(output.shape).toEqual([rows.length / inputSize, outputSize]);
      return output.dataSync<'float32'>();
    });
  }

  it('has files that do not collide with those of the other network', () => {
    expect([...files.keys()]).toEqual(NAMES[network]);
  });

  it('computes what the network computes in evaluation mode', () => {
    const found = outputOf(loaded, x);
    expect(spread(found)).toBeGreaterThan(0.1);
    expect(maxDifference(found, expected)).toBeLessThan(TOLERANCE);
  });

  it('takes a single row', () => {
    const found = outputOf(loaded, x.slice(0, inputSize));
    expect(maxDifference(found, expected.slice(0, outputSize))).toBeLessThan(TOLERANCE);
  });

  it('loads a second time beside the first', async () => {
    const second = await load();
    const row = x.slice(0, inputSize);
    expect(maxDifference(outputOf(second, row), expected.slice(0, outputSize))).toBeLessThan(TOLERANCE);
    second.dispose();
  });

  it('says what it is and where it comes from', () => {
    expect(loaded.name).toBe(network);
    expect(loaded.inputs.map(({ shape }) => shape)).toEqual([[null, inputSize]]);
    expect(loaded.outputs.map(({ shape }) => shape)).toEqual([[null, outputSize]]);
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
    expect(found).toEqual(model[network].layers);
  });
});
