import { describe, expect, it } from 'vitest';
import { TUTORIAL_MODEL, modelLayout, updateLayout } from '../../../../proto/index.js';
import { encodeModel, evaluateNetwork, GraphBuilder } from '../../../../worker/engine/onnx/index.js';
import { loadOnnxRuntime } from '../../../../worker/engine/onnx-runtime.js';
import type { OnnxGraph } from '../../../../worker/engine/onnx/index.js';
import { buildTrainingGraphs, resultName } from '../../../../worker/engine/onnx/training-graphs.js';
import { disturbedParameters, makeShard, SMALL_MODEL } from '../fixtures.js';
import { generate } from '../reference/gan.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const text = (value: string): string => Buffer.from(value).toString('hex');

describe('encodeModel', () => {
  it('writes the fields of onnx.proto', () => {
    const bytes = encodeModel({
      name: 'g',
      nodes: [{ operator: 'Elu', inputs: ['x'], outputs: ['y'], attributes: { alpha: { float: 0.5 } } }],
      inputs: [{ name: 'x', type: 'float32', dims: ['n', 3] }],
      outputs: [],
      initializers: [{ name: 'c', dims: [1], data: Float32Array.of(1.5) }],
    });
    // By hand: tag (field << 3 | wire type), length, content.
    const attribute = `0a05${text('alpha')}150000003fa00101`;
    const node = `0a0178 120179 1a0179 2203${text('Elu')} 2a0f${attribute}`.replaceAll(' ', '');
    const initializer = '0801 1001 420163 4a040000c03f'.replaceAll(' ', '');
    const shape = '0a0312016e 0a020803'.replaceAll(' ', '');
    const input = `0a0178 120f0a0d 0801 1209${shape}`.replaceAll(' ', '');
    const part = (tag: string, content: string): string =>
      `${tag}${(content.length / 2).toString(16).padStart(2, '0')}${content}`;
    const graph = part('0a', node) + part('12', text('g')) + part('2a', initializer) + part('5a', input);
    const opset = part('42', '0a00' + '1014');
    expect(hex(bytes)).toBe(`0809${part('12', text('gan-cluster'))}${part('3a', graph)}${opset}`);
  });

  it('gives the same bytes for the same graph', () => {
    const encode = (): string => hex(encodeModel(buildTrainingGraphs(SMALL_MODEL, 5).generatorHalf));
    expect(encode()).toBe(encode());
  });
});

describe('GraphBuilder', () => {
  it('gives the same input for the same name, and refuses another shape', () => {
    const graph = new GraphBuilder('g');
    expect(graph.input('x', [2])).toBe(graph.input('x', [2]));
    expect(() => graph.input('x', [3])).toThrow('input x');
  });

  it('refuses outputs that nothing computes, that have a taken name, or that are outputs already', () => {
    const graph = new GraphBuilder('g');
    const x = graph.input('x', [2]);
    const y = graph.node('Neg', [x], [2]);
    expect(() => graph.output('z', x)).toThrow('computed by a node');
    expect(() => graph.output('x', y)).toThrow('name x is free');
    graph.output('y', y);
    expect(() => graph.output('z', y)).toThrow('no other output');
  });

  it('refuses a constant that does not fill its dims', () => {
    expect(() => new GraphBuilder('g').constant('c', [2, 3], [1])).toThrow('constant c');
  });
});

describe('the training graphs', () => {
  const rows = 8;
  const { discriminatorHalf, generatorHalf, kept } = buildTrainingGraphs(TUTORIAL_MODEL, rows);
  const count = ({ nodes }: OnnxGraph, operator: string): number =>
    nodes.filter((node) => node.operator === operator).length;
  /** Without the sums over a batch, which are products with a constant row. */
  const products = ({ nodes, initializers }: OnnxGraph): number => {
    const constants = new Set(initializers.map(({ name }) => name));
    return nodes.filter(({ operator, inputs: [first] }) => operator === 'Gemm' && !constants.has(first!))
      .length;
  };

  it('compute the update vectors and what is kept, nothing else', () => {
    const layout = modelLayout(TUTORIAL_MODEL);
    const results = (network: 'discriminator' | 'generator'): string[] =>
      updateLayout(layout, network).tensors.map(({ name }) => resultName(name));
    expect(discriminatorHalf.outputs.map(({ name }) => name)).toEqual([...results('discriminator'), ...kept]);
    expect(generatorHalf.outputs.map(({ name }) => name)).toEqual(results('generator'));
    // The dense layers' inputs, the first being the noise in columns; the normalised values; the fakes.
    expect(kept).toHaveLength(5 + 2 * 3 + 1);
  });

  it('leave out the products that nobody asks for', () => {
    // G forward 5, D forward 3, D's weights 3, inputs of all of D's layers but the first 2.
    expect(products(discriminatorHalf)).toBe(13);
    // D forward 3, D's inputs 3, G's weights 5, inputs of all of G's layers but the first 4.
    expect(products(generatorHalf)).toBe(15);
  });

  it('transpose the pixels and the noise, nothing else', () => {
    expect(count(discriminatorHalf, 'Transpose')).toBe(2);
    expect(count(generatorHalf, 'Transpose')).toBe(0);
  });

  it('have fixed shapes throughout', () => {
    for (const { dims } of [
      ...discriminatorHalf.inputs,
      ...discriminatorHalf.outputs,
      ...generatorHalf.outputs,
    ]) {
      for (const dim of dims) expect(dim).toBeTypeOf('number');
    }
  });
});

describe('a network with its tensors as constants', () => {
  it('is a graph that needs the noise alone', async () => {
    const layout = modelLayout(SMALL_MODEL);
    const parameters = disturbedParameters(SMALL_MODEL, 2);
    const statistics = Float32Array.from({ length: layout.statisticCount }, (_, i) => 0.3 + 0.02 * i);
    const graph = new GraphBuilder('generator');
    const tensor = (name: string, dims: readonly number[]) => {
      const vector = name.endsWith('.mean') || name.endsWith('.variance') ? statistics : parameters;
      const slices = vector === statistics ? layout.statistics : layout.generator.tensors;
      const { offset, size } = slices.find((slice) => slice.name === name)!;
      return graph.constant(name, dims, vector.subarray(offset, offset + size));
    };
    const noise = graph.input('noise', ['n', SMALL_MODEL.generator.inputSize]);
    const network = SMALL_MODEL.generator;
    graph.output('images', evaluateNetwork({ graph, name: 'generator', network, rows: 'n', tensor }, noise));

    const runtime = loadOnnxRuntime();
    const session = await runtime.InferenceSession.create(graph.encode());
    expect(session.inputNames).toEqual(['noise']);
    const z = makeShard(SMALL_MODEL, 9, 1).noise;
    const { images } = await session.run({ noise: new runtime.Tensor('float32', z, [9, 7]) });
    const expected = generate(SMALL_MODEL, Float64Array.from(parameters), z, statistics);
    (images!.data as Float32Array).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
    await session.release();
  });
});
