import { InferenceSession, Tensor } from 'onnxruntime-node';
import protobuf from 'protobufjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NetworkName } from '../../../proto/index.js';
import { onnxFile } from '../../../worker/export/onnx-file.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { float64Output, maxDifference, spread } from './float64-network.js';
import { inputRows, MODELS, NETWORKS, trainedModel } from './trained-model.js';

const ROWS = 100;
const TOLERANCE = 1e-5;
const METADATA = { seed: '41', dataset: 'Zahlen "groß"' };
const ENDS: Record<NetworkName, { readonly input: string; readonly output: string }> = {
  generator: { input: 'noise', output: 'images' },
  discriminator: { input: 'images', output: 'probability' },
};

describe.each(NETWORKS)('the ONNX file of the $model $network', ({ model: modelName, network }) => {
  const trained = trainedModel(MODELS[modelName]);
  const { model, parameters, statistics } = trained;
  const { inputSize } = model[network];
  const outputSize = network === 'generator' ? model.discriminator.inputSize : 1;
  const ends = ENDS[network];
  const bytes = onnxFile(trainedNetwork(model, network, parameters, statistics), METADATA);
  const x = inputRows(model, network, ROWS);
  let session: InferenceSession;
  let expected: Float64Array;

  beforeAll(async () => {
    session = await InferenceSession.create(bytes);
    expected = float64Output(trained, network, x);
  });

  async function outputOf(rows: Float32Array): Promise<Tensor> {
    const input = new Tensor('float32', rows, [rows.length / inputSize, inputSize]);
    const { [ends.output]: output } = await session.run({ [ends.input]: input });
    if (output === undefined) throw new Error(`the model has an output named ${ends.output}`);
    return output;
  }

  it('has one named input and output with any number of rows', () => {
    const described = (shape: number | string) => ({ isTensor: true, type: 'float32', shape: ['n', shape] });
    expect(session.inputMetadata).toEqual([{ name: ends.input, ...described(inputSize) }]);
    expect(session.outputMetadata).toEqual([{ name: ends.output, ...described(outputSize) }]);
  });

  it('computes what the network computes in evaluation mode', async () => {
    const output = await outputOf(x);
    expect(output.dims).toEqual([ROWS, outputSize]);
    expect(output.type).toBe('float32');
    const found = output.data as Float32Array;
    expect(spread(found)).toBeGreaterThan(0.1);
    expect(maxDifference(found, expected)).toBeLessThan(TOLERANCE);
  });

  it('takes a single row, and none', async () => {
    const output = await outputOf(x.slice(0, inputSize));
    expect(output.dims).toEqual([1, outputSize]);
    const first = expected.slice(0, outputSize);
    expect(maxDifference(output.data as Float32Array, first)).toBeLessThan(TOLERANCE);
    expect((await outputOf(new Float32Array(0))).dims).toEqual([0, outputSize]);
  });

  it('carries the metadata', () => {
    expect(metadataOf(bytes)).toEqual(METADATA);
  });

  it('has names that are no trouble to tools that make identifiers of them', () => {
    for (const name of nodeNamesOf(bytes)) expect(name).toMatch(/^[A-Za-z]\w*$/);
  });
});

it('leaves no batch norm in the tutorial generator', () => {
  const { model, parameters, statistics } = trainedModel(MODELS.tutorial);
  const bytes = onnxFile(trainedNetwork(model, 'generator', parameters, statistics), {});
  expect(Buffer.from(bytes).includes('Gemm')).toBe(true);
  expect(Buffer.from(bytes).includes('BatchNormalization')).toBe(false);
});

/** The values of one field of a message, each a message or a string, read by hand. */
function fieldsOf(message: Uint8Array, field: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = protobuf.Reader.create(message);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 === field) found.push(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return found;
}

const textOf = (message: Uint8Array, field: number): string =>
  fieldsOf(message, field)
    .map((bytes) => new TextDecoder().decode(bytes))
    .join();

/** ModelProto.metadata_props (field 14) of StringStringEntryProto { key = 1, value = 2 }. */
const metadataOf = (model: Uint8Array): Record<string, string> =>
  Object.fromEntries(fieldsOf(model, 14).map((entry) => [textOf(entry, 1), textOf(entry, 2)]));

/** ModelProto.graph (7) has GraphProto.node (1) with NodeProto.name (3). */
const nodeNamesOf = (model: Uint8Array): string[] =>
  fieldsOf(model, 7).flatMap((graph) => fieldsOf(graph, 1).map((node) => textOf(node, 3)));
