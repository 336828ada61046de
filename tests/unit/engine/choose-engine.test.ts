import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../proto/index.js';
import { chooseEngine, ENGINE_NAMES } from '../../../worker/engine/index.js';
import type { EngineName, EngineProbe } from '../../../worker/engine/index.js';

const probes = (...usable: EngineName[]): EngineProbe[] =>
  ENGINE_NAMES.map((name) => ({
    name,
    usable: usable.includes(name),
    reason: usable.includes(name) ? `${name} works` : `${name} is missing`,
    devices: [],
  }));

describe('chooseEngine', () => {
  it.each<[EngineName, EngineName[]]>([
    ['tfjs-tensorflow', [...ENGINE_NAMES]],
    ['onnx-cuda', ['onnx-cpu', 'onnx-cuda', 'onnx-webgpu', 'tfjs-wasm']],
    ['onnx-cpu', ['onnx-cpu', 'onnx-webgpu', 'tfjs-wasm', 'tfjs-cpu']],
    ['onnx-cpu', ['onnx-cpu']],
  ])('takes %s by itself where %j are there', (expected, there) => {
    expect(chooseEngine(probes(...there), 'auto').name).toBe(expected);
  });

  it('says why', () => {
    expect(chooseEngine(probes('onnx-cpu'), 'auto').reason).toBe(
      'onnx-cpu works; not tfjs-tensorflow: tfjs-tensorflow is missing; not onnx-cuda: onnx-cuda is missing',
    );
    expect(chooseEngine(probes('onnx-cpu', 'tfjs-wasm'), 'tfjs-wasm')).toEqual({
      name: 'tfjs-wasm',
      reason: 'asked for: tfjs-wasm works',
    });
  });

  it('never takes WebGPU or a backend for comparison by itself', () => {
    const there = probes('onnx-webgpu', 'tfjs-wasm', 'tfjs-cpu');
    expect(() => chooseEngine(there, 'auto')).toThrow(
      expect.objectContaining({
        code: 'engine-unavailable',
        message: expect.stringContaining('onnx-cpu is missing') as string,
      }),
    );
  });

  it('refuses an engine that is not there, with the reason and what is there', () => {
    const choose = () => chooseEngine(probes('onnx-cpu', 'tfjs-wasm'), 'onnx-cuda');
    expect(choose).toThrow(UsageError);
    expect(choose).toThrow(
      'engine onnx-cuda cannot run here: onnx-cuda is missing; available here: onnx-cpu, tfjs-wasm',
    );
    expect(() => chooseEngine(probes(), 'onnx-cpu')).toThrow('no engine is available here');
  });

  it('refuses an unknown name with those that are known', () => {
    expect(() => chooseEngine(probes('onnx-cpu'), 'gpu')).toThrow(UsageError);
    expect(() => chooseEngine(probes('onnx-cpu'), 'gpu')).toThrow(
      /"gpu".*onnx-cpu, onnx-cuda.*available here: onnx-cpu/,
    );
  });
});
