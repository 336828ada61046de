import { InferenceSession, Tensor } from 'onnxruntime-node';
import protobuf from 'protobufjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { generatorOnnx } from '../../../worker/export/onnx-file.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { float64Images, maxDifference } from './float64-generator.js';
import { MODEL_NAMES, MODELS, noiseRows, trainedModel } from './trained-model.js';

const ROWS = 1000;
const TOLERANCE = 1e-5;
const METADATA = { seed: '41', dataset: 'Zahlen "groß"' };

describe.each(MODEL_NAMES)('generator.onnx of the %s model', (name) => {
  const trained = trainedModel(MODELS[name]);
  const { model, parameters, statistics } = trained;
  const { inputSize } = model.generator;
  const imageSize = model.discriminator.inputSize;
  const bytes = generatorOnnx(trainedNetwork(model, 'generator', parameters, statistics), METADATA);
  const noise = noiseRows(model, ROWS);
  let session: InferenceSession;
  let expected: Float64Array;

  beforeAll(async () => {
    session = await InferenceSession.create(bytes);
    expected = float64Images(trained, noise);
  });

  async function images(rows: Float32Array): Promise<Tensor> {
    const input = new Tensor('float32', rows, [rows.length / inputSize, inputSize]);
    const { images: output } = await session.run({ noise: input });
    if (output === undefined) throw new Error('the model has an output named images');
    return output;
  }

  it('has one named input and output with any number of rows', () => {
    const described = (shape: number | string) => ({ isTensor: true, type: 'float32', shape: ['n', shape] });
    expect(session.inputMetadata).toEqual([{ name: 'noise', ...described(inputSize) }]);
    expect(session.outputMetadata).toEqual([{ name: 'images', ...described(imageSize) }]);
  });

  it('computes what the network computes in evaluation mode', async () => {
    const output = await images(noise);
    expect(output.dims).toEqual([ROWS, imageSize]);
    expect(output.type).toBe('float32');
    const found = output.data as Float32Array;
    expect(spread(found)).toBeGreaterThan(0.1);
    expect(maxDifference(found, expected)).toBeLessThan(TOLERANCE);
  });

  it('takes a single row', async () => {
    const output = await images(noise.slice(0, inputSize));
    expect(output.dims).toEqual([1, imageSize]);
    expect(maxDifference(output.data as Float32Array, expected.slice(0, imageSize))).toBeLessThan(TOLERANCE);
  });

  it('carries the metadata', () => {
    expect(metadataOf(bytes)).toEqual(METADATA);
  });
});

it('leaves no batch norm in the tutorial generator', () => {
  const { model, parameters, statistics } = trainedModel(MODELS.tutorial);
  const bytes = generatorOnnx(trainedNetwork(model, 'generator', parameters, statistics), {});
  expect(Buffer.from(bytes).includes('Gemm')).toBe(true);
  expect(Buffer.from(bytes).includes('BatchNormalization')).toBe(false);
});

/** Distance between the smallest and the largest value. */
function spread(values: Float32Array): number {
  return values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
}

/** ModelProto.metadata_props (field 14) of StringStringEntryProto { key = 1, value = 2 }, read by hand. */
function metadataOf(model: Uint8Array): Record<string, string> {
  const entries: Record<string, string> = {};
  const reader = protobuf.Reader.create(model);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 !== 14) {
      reader.skipType(tag & 7);
      continue;
    }
    const entry = protobuf.Reader.create(reader.bytes());
    const fields = new Map<number, string>();
    while (entry.pos < entry.len) fields.set(entry.uint32() >>> 3, entry.string());
    entries[fields.get(1) ?? ''] = fields.get(2) ?? '';
  }
  return entries;
}
