import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RunSpec } from '../../../proto/index.js';
import { exportGenerator } from '../../../worker/export/index.js';
import type { GeneratorExport } from '../../../worker/export/index.js';
import { float64Output } from './float64-network.js';
import { MODEL_NAMES, MODELS, runSpec, STATE_SHA256, trainedModel } from './trained-model.js';

function request(name: (typeof MODEL_NAMES)[number]): GeneratorExport {
  const trained = trainedModel(MODELS[name]);
  return {
    spec: runSpec(trained.model),
    step: 468,
    parameters: trained.parameters,
    statistics: trained.statistics,
    stateSha256: STATE_SHA256,
    generate: (noise) => Promise.resolve(Float32Array.from(float64Output(trained, 'generator', noise))),
  };
}

/** The same value with the keys of all objects in the opposite order. */
function reversedKeys<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(reversedKeys) as Value;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).reverse();
  return Object.fromEntries(entries.map(([key, part]) => [key, reversedKeys<unknown>(part)])) as Value;
}

async function filesOf(asked: GeneratorExport): Promise<Record<string, Buffer>> {
  const files = await exportGenerator(asked);
  return Object.fromEntries(files.map(({ name, bytes }) => [name, Buffer.from(bytes)]));
}

afterEach(() => {
  vi.useRealTimers();
});

describe('exportGenerator', () => {
  it.each(MODEL_NAMES)('makes the same bytes of the same %s model at any time', async (name) => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2001-02-03T04:05:06Z') });
    const first = await filesOf(request(name));
    expect(Object.keys(first)).toEqual([
      'generator.onnx',
      'model.json',
      'weights.bin',
      'generator.safetensors',
      'samples-idx3-ubyte',
    ]);
    vi.setSystemTime(new Date('2031-12-30T01:02:03Z'));
    const again = request(name);
    const second = await filesOf({ ...again, spec: reversedKeys<RunSpec>(again.spec) });
    for (const [file, bytes] of Object.entries(first)) {
      expect(second[file]?.equals(bytes), file).toBe(true);
    }
  });

  it('makes the files of the networks that are wanted, each the same whatever else is', async () => {
    const asked = request('odd');
    const generator = await filesOf({ ...asked, networks: ['generator'] });
    const discriminator = await filesOf({ ...asked, networks: ['discriminator'] });
    const both = await filesOf({ ...asked, networks: ['generator', 'discriminator'] });
    expect(Object.keys(both)).toEqual([
      'generator.onnx',
      'model.json',
      'weights.bin',
      'generator.safetensors',
      'discriminator.onnx',
      'discriminator-model.json',
      'discriminator-weights.bin',
      'discriminator.safetensors',
      'samples-idx3-ubyte',
    ]);
    expect(both).toEqual({ ...generator, ...discriminator });
    expect(await filesOf(asked)).toEqual(generator);
  });

  it('says where the generator comes from, and nothing of when, where and by how many it was made', async () => {
    const asked = request('odd');
    const files = await filesOf(asked);
    const model = JSON.parse(files['model.json']?.toString() ?? '') as Record<string, unknown>;
    const { run_spec: written, ...origin } = model['userDefinedMetadata'] as Record<string, string>;
    expect(origin).toEqual({
      producer: 'gan-cluster',
      step: '468',
      state_sha256: STATE_SHA256,
      seed: '41',
      recipe: 'tutorial',
      dataset: 'MNIST',
      dataset_sha256: 'a'.repeat(64),
      engine: 'onnx-cpu',
    });
    expect(JSON.parse(written ?? '')).toEqual(asked.spec);
    const topLevel = [
      'format',
      'generatedBy',
      'convertedBy',
      'modelTopology',
      'weightsManifest',
      'userDefinedMetadata',
    ];
    expect(Object.keys(model)).toEqual(topLevel);
    expect(model['generatedBy']).toBe('gan-cluster');
    for (const name of ['generator.onnx', 'generator.safetensors']) {
      expect(files[name]?.includes(STATE_SHA256), name).toBe(true);
    }
    for (const [name, bytes] of Object.entries(files)) {
      expect(bytes.includes(process.cwd()), name).toBe(false);
    }
  });

  it('changes with the state', async () => {
    const asked = request('odd');
    const before = await filesOf(asked);
    asked.parameters[3] = 0.75;
    asked.statistics[3] = 0.75;
    const after = await filesOf(asked);
    for (const name of ['generator.onnx', 'weights.bin', 'generator.safetensors', 'samples-idx3-ubyte']) {
      expect(after[name]?.equals(before[name] ?? Buffer.of()), name).toBe(false);
    }
  });

  it('gives files whose memory can be handed to another thread', async () => {
    const asked = request('odd');
    const files = await exportGenerator(asked);
    const memories = [asked.parameters, asked.statistics, ...files.map(({ bytes }) => bytes)];
    expect(new Set(memories.map(({ buffer }) => buffer)).size).toBe(memories.length);
    for (const { bytes } of files) expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
  });

  it('refuses vectors of another model', async () => {
    const asked = request('odd');
    const short = { ...asked, parameters: asked.parameters.subarray(1) };
    await expect(exportGenerator(short)).rejects.toThrow('all parameters of the model');
    const long = { ...asked, statistics: new Float32Array(asked.statistics.length + 1) };
    await expect(exportGenerator(long)).rejects.toThrow('all running statistics of the model');
  });
});
