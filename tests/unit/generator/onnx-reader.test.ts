import protobuf from 'protobufjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readOnnx } from '../../../deploy/generator/onnx-reader.js';
import { modelProto } from '../../../worker/engine/onnx/schema.js';
import { MODELS, trainedModel } from '../export/trained-model.js';
import { exported, fileNamed } from './exported.js';

/** What is changed of a model: plain objects, as protobufjs has them. */
interface EditedModel {
  graph: {
    node: {
      opType: string;
      domain?: string;
      input: string[];
      output: string[];
      attribute: { name: string; type: number; i?: number }[];
    }[];
    initializer: {
      name: string;
      dims: number[];
      dataType: number;
      rawData: Uint8Array;
      externalData?: Uint8Array[];
    }[];
    input: EditedInfo[];
    output: EditedInfo[];
    sparseInitializer?: Uint8Array[];
  };
  functions?: Uint8Array[];
}
interface EditedInfo {
  name: string;
  type: { tensorType: { elemType: number; shape: { dim: { dimValue?: number; dimParam?: string }[] } } };
}

let whole: Uint8Array;

beforeAll(async () => {
  whole = fileNamed(await exported(trainedModel(MODELS.odd)), 'generator.onnx');
});

function edited(edit: (model: EditedModel) => void): Uint8Array {
  const model = modelProto.toObject(modelProto.decode(whole.slice()), { longs: Number, arrays: true });
  edit(model as EditedModel);
  return modelProto.encode(modelProto.fromObject(model)).finish();
}

function first<T>(items: readonly T[] | undefined): T {
  const item = items?.[0];
  if (item === undefined) throw new Error('the exported file has one');
  return item;
}

const dimsOf = (info: EditedInfo) => info.type.tensorType.shape.dim;

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

describe('an .onnx file', () => {
  it('is read as it was written', () => {
    expect(
      readOnnx(
        'a.onnx',
        edited(() => undefined),
      ),
    ).toMatchObject({ noiseSize: 7, imageSize: 64 });
  });

  it.each<[string, (model: EditedModel) => void, RegExp]>([
    [
      'a loop',
      ({ graph }) => void (first(graph.node).opType = 'Loop'),
      /with the operators Gemm, .*; found Loop$/,
    ],
    [
      'an operator of other makers',
      ({ graph }) => void (first(graph.node).domain = 'com.microsoft'),
      /with the operators/,
    ],
    [
      'an attribute that is a graph',
      ({ graph }) => graph.node.at(-1)?.attribute.push({ name: 'body', type: 5 }),
      /with the operators/,
    ],
    ['operators of its own', (model) => void (model.functions = [floats(1)]), /defines operators of its own/],
    ['a sparse tensor', ({ graph }) => void (graph.sparseInitializer = [floats(1)]), /holds sparse tensors/],
    [
      'a tensor in another file',
      ({ graph }) => void (first(graph.initializer).externalData = [floats(1)]),
      /has its tensor generator.0.gamma in another file/,
    ],
    [
      'a tensor that is larger than its data',
      ({ graph }) => void (first(graph.initializer).dims = [7, 2 ** 40]),
      /has 28 bytes for its tensor generator.0.gamma, where float32 7 x 1099511627776/,
    ],
    [
      'a tensor of integers',
      ({ graph }) => void (first(graph.initializer).dataType = 7),
      /has 28 bytes for its tensor/,
    ],
    [
      'a weight that is no number',
      ({ graph }) => first(graph.initializer).rawData.set(floats(NaN), 4),
      /has NaN among the values of generator.0.gamma/,
    ],
    [
      'an infinite weight',
      ({ graph }) => first(graph.initializer).rawData.set(floats(-Infinity)),
      /has -Infinity among the values/,
    ],
    [
      'a layer that reads past the last',
      ({ graph }) => void (first(graph.node).input[0] = 'generator.0.beta'),
      /one after the other/,
    ],
    [
      'a layer that reads what is computed',
      ({ graph }) => graph.node.at(-1)?.input.push('0 BatchNormalization'),
      /one after the other/,
    ],
    [
      'layers that lead nowhere',
      ({ graph }) => void graph.node.pop(),
      /was expected to end in images, and ends in/,
    ],
    [
      'another input',
      ({ graph }) => void (first(graph.input).name = 'z'),
      /noise -> images; found z -> images/,
    ],
    [
      'two outputs',
      ({ graph }) => graph.output.push({ ...first(graph.output), name: 'more' }),
      /found noise -> images, more/,
    ],
    [
      'a fixed number of rows',
      ({ graph }) => void (first(dimsOf(first(graph.input))).dimValue = 1),
      /with any n/,
    ],
    ['noise of rank 3', ({ graph }) => dimsOf(first(graph.input)).push({ dimValue: 1 }), /with any n/],
    ['noise of rank 1', ({ graph }) => dimsOf(first(graph.input)).pop(), /with any n/],
    [
      'images of rank 4',
      ({ graph }) => dimsOf(first(graph.output)).push({ dimValue: 8 }, { dimValue: 8 }),
      /with any n/,
    ],
    [
      'a discriminator',
      ({ graph }) => dimsOf(first(graph.output)).splice(1, 1, { dimValue: 1 }),
      /makes 1 value a row: a discriminator is no generator/,
    ],
    [
      'names that steer a terminal',
      ({ graph }) => void (first(graph.node).opType = '\u001b[2J\r\nfine'),
      /found {1,2}\[2J fine$/,
    ],
  ])('with %s is refused', (_, edit, words) => {
    expect(() => readOnnx('a.onnx', edited(edit))).toThrow(words);
    expect(() => readOnnx('a.onnx', edited(edit))).toThrow(/^a\.onnx /);
  });

  it('with a second graph is refused', () => {
    expect(() => readOnnx('a.onnx', Buffer.concat([whole, whole]))).toThrow(
      /one graph was expected in it, found 2/,
    );
  });

  it('with more parts than a generator has is refused before they are decoded', () => {
    const writer = protobuf.Writer.create();
    const graph = protobuf.Writer.create();
    const emptyNode = (1 << 3) | 2;
    for (let i = 0; i < 100_000; i++) graph.uint32(emptyNode).bytes(new Uint8Array());
    writer.uint32((7 << 3) | 2).bytes(graph.finish());
    expect(() => readOnnx('a.onnx', writer.finish())).toThrow(/more than 10000 parts/);
  });
});
