import { afterEach, describe, expect, it, vi } from 'vitest';
import { modelLayout, TUTORIAL_MODEL, updateLayout } from '../../../proto/index.js';
import { initialParameters } from '../../../proto/initial-parameters.js';
import { createEngine, createExactEngine, engineFingerprint } from '../../../worker/engine/index.js';
import type { Engine, EngineName, EngineOptions } from '../../../worker/engine/index.js';
import { createEngineInThread } from '../../../worker/engine/in-thread.js';
import { loadOnnxRuntime } from '../../../worker/engine/onnx-runtime.js';
import { disturbedParameters, emptyUpdate, makeShard, SMALL_MODEL } from './fixtures.js';

const options: EngineOptions = {
  model: SMALL_MODEL,
  shardBatch: 4,
  slots: 2,
  parameters: disturbedParameters(SMALL_MODEL, 1),
};

const oneLine = (pattern: RegExp) => ({
  code: 'engine-unavailable',
  message: expect.stringMatching(new RegExp(`^[^\\n]*(?:${pattern.source})[^\\n]*$`)) as string,
});

/** Only where it is true that the engine is not there. */
const runsHere = async (name: EngineName): Promise<boolean> => {
  try {
    await (await createEngine(name, options)).close();
    return true;
  } catch {
    return false;
  }
};

describe('createEngine', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('does not compute on CUDA with less than float32', async () => {
    vi.stubEnv('NVIDIA_TF32_OVERRIDE', undefined);
    await expect(createEngineInThread('onnx-cuda', options)).rejects.toMatchObject(
      oneLine(/NVIDIA_TF32_OVERRIDE=0/),
    );
  });

  it.for<EngineName>(['onnx-cuda', 'onnx-webgpu'])(
    'says in one line why %s cannot run, and never falls back to the CPU',
    async (name, { skip }) => {
      if (await runsHere(name)) skip(`${name} runs on this machine`);
      const provider = name.slice('onnx-'.length);
      await expect(createEngine(name, options)).rejects.toMatchObject(
        oneLine(new RegExp(`its ${provider} provider here: .{10}`)),
      );
    },
  );

  it('says in one line when the native library is of another platform', () => {
    const load = (): never => {
      throw new Error('onnxruntime_binding.node: invalid ELF header\n    at Object..node');
    };
    expect(() => loadOnnxRuntime(load)).toThrow(
      expect.objectContaining(oneLine(/invalid ELF header.*another platform/)),
    );
  });

  it('has engines of different backends in one thread, used in turns', async () => {
    const engines = await Promise.all(
      (['tfjs-cpu', 'onnx-cpu', 'tfjs-cpu'] as const).map((name) => createEngine(name, options)),
    );
    engines.push(await createEngine('tfjs-wasm', options));
    const run = async (engine: Engine): Promise<Float32Array> => {
      const { pixels, noise } = makeShard(SMALL_MODEL, 4, 1);
      const out = emptyUpdate(SMALL_MODEL, 'generator');
      await engine.discriminatorHalf(0, pixels, noise, emptyUpdate(SMALL_MODEL, 'discriminator'));
      await engine.generatorHalf(0, out);
      return out;
    };
    const alone: Float32Array[] = [];
    for (const engine of engines) alone.push(await run(engine));
    for (const [i, engine] of [...engines.entries()].reverse()) expect(await run(engine)).toEqual(alone[i]);
    expect(alone[0]).toEqual(alone[2]);
    // Different kernels, so different bits: the backends were really changed.
    expect(alone[3]).not.toEqual(alone[0]);
    for (const engine of engines) await engine.close();
  });

  // WebGPU's shaders may take a NaN for a number, so that a rectifier hides it: not so on a CPU.
  it.each<EngineName>(['onnx-cpu', 'tfjs-wasm', 'tfjs-cpu'])(
    'has %s carry a NaN through the rectifiers, so that it is seen wherever it begins',
    async (name) => {
      const parameters = options.parameters.slice();
      parameters[0] = Number.NaN;
      const engine = await createEngine(name, { ...options, parameters });
      const { pixels, noise } = makeShard(SMALL_MODEL, 4, 1);
      const out = emptyUpdate(SMALL_MODEL, 'discriminator').fill(0);
      await engine.discriminatorHalf(0, pixels, noise, out);
      expect(out.some(Number.isNaN)).toBe(true);
      await engine.close();
    },
  );

  it('leaves the process\u2019s own handling of exceptions alone', async () => {
    const before = process.listeners('uncaughtException').length;
    await (await createEngine('tfjs-wasm', options)).close();
    expect(process.listeners('uncaughtException')).toHaveLength(before);
  });
});

describe('engineFingerprint', () => {
  it('sees a single bit of a single gradient', async () => {
    const engine = await createEngine('onnx-cpu', options);
    const flipped: Engine = {
      name: engine.name,
      version: engine.version,
      discriminatorHalf: (...call) => engine.discriminatorHalf(...call),
      generatorHalf: async (slot, out) => {
        await engine.generatorHalf(slot, out);
        new Uint8Array(out.buffer, out.byteOffset)[4 * 100]! ^= 1;
      },
      generate: (...call) => engine.generate(...call),
      batchStatistics: (...call) => engine.batchStatistics(...call),
      close: () => engine.close(),
    };
    expect(await engineFingerprint(flipped, options)).not.toBe(await engineFingerprint(engine, options));
    await engine.close();
  });

  it('restores the parameters when the engine fails', async () => {
    const before = options.parameters.slice();
    const engine = await createEngine('onnx-cpu', options);
    const broken: Engine = Object.create(engine, {
      generatorHalf: { value: () => Promise.reject(new Error('broken')) },
    }) as Engine;
    await expect(engineFingerprint(broken, options)).rejects.toThrow('broken');
    expect(options.parameters).toEqual(before);
    await engine.close();
  });

  it('differs from engine to engine', async () => {
    const fingerprints = new Set<string>();
    for (const name of ['onnx-cpu', 'tfjs-wasm', 'tfjs-cpu'] as const) {
      const engine = await createEngine(name, options);
      fingerprints.add(await engineFingerprint(engine, options));
      await engine.close();
    }
    expect(fingerprints.size).toBe(3);
  });
});

describe('createExactEngine', () => {
  it.each([32, 128])(
    'gives the bits of one thread at B = %i, whatever the threads it may use',
    async (shardBatch) => {
      const layout = modelLayout(TUTORIAL_MODEL);
      const parameters = initialParameters(layout, 1);
      const shape: EngineOptions = { model: TUTORIAL_MODEL, shardBatch, slots: 1, parameters };
      const one = await createExactEngine('onnx-cpu', shape, 1, []);
      const two = await createExactEngine('onnx-cpu', shape, 2, []);
      expect(one.threads).toBe(1);
      expect(two.fingerprint).toBe(one.fingerprint);
      const { pixels, noise } = makeShard(TUTORIAL_MODEL, shardBatch, 3);
      const results = [];
      for (const { engine } of [one, two]) {
        const out = new Float32Array(updateLayout(layout, 'discriminator').floatLength);
        await engine.discriminatorHalf(0, pixels, noise, out);
        const second = new Float32Array(updateLayout(layout, 'generator').floatLength);
        await engine.generatorHalf(0, second);
        results.push(Buffer.concat([Buffer.from(out.buffer), Buffer.from(second.buffer)]));
        await engine.close();
      }
      expect(results[1]?.equals(results[0] ?? Buffer.alloc(0))).toBe(true);
    },
  );
});
