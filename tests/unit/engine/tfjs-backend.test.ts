import { createRequire } from 'node:module';
import type * as tfjsCore from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { modelLayout } from '../../../proto/index.js';
import { createEngine } from '../../../worker/engine/index.js';
import { loadBackend } from '../../../worker/engine/tfjs/backend.js';
import { disturbedParameters, emptyUpdate, makeShard, SMALL_MODEL } from './fixtures.js';

const require = createRequire(import.meta.url);

/** Packages as installed, but for a GPU package that says this of its device. */
const loadWithGpu = (isUsingGpuDevice: boolean) => (name: string) =>
  name === '@tensorflow/tfjs-node-gpu'
    ? {
        version: { 'tfjs-node': '4.22.0' },
        backend: () => ({ isUsingGpuDevice, binding: { TF_Version: '2.9.1' } }),
      }
    : (require(name) as unknown);

describe('the TensorFlow.js engine', () => {
  it.each<['tfjs-cpu' | 'tfjs-wasm']>([['tfjs-cpu'], ['tfjs-wasm']])(
    'holds no tensor of a step once it is over, on %s',
    async (name) => {
      const { memory } = require('@tensorflow/tfjs-core') as typeof tfjsCore;
      const parameters = disturbedParameters(SMALL_MODEL, 1);
      const engine = await createEngine(name, { model: SMALL_MODEL, shardBatch: 4, slots: 1, parameters });
      const { pixels, noise } = makeShard(SMALL_MODEL, 4, 1);
      const step = async (): Promise<number> => {
        await engine.discriminatorHalf(0, pixels, noise, emptyUpdate(SMALL_MODEL, 'discriminator'));
        await engine.generatorHalf(0, emptyUpdate(SMALL_MODEL, 'generator'));
        const { size } = modelLayout(SMALL_MODEL).generator;
        const generator = parameters.subarray(0, size);
        await engine.generate(noise, { parameters: generator, statistics: new Float32Array(24).fill(1) });
        await engine.batchStatistics(noise, generator);
        return memory().numTensors;
      };
      const after = await step();
      await step();
      expect(await step()).toBe(after);
      await engine.close();
    },
  );
});

describe('the TensorFlow backend', () => {
  it('is refused where libtensorflow would compute on the CPU', async () => {
    await expect(loadBackend('tensorflow', loadWithGpu(false))).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(/^libtensorflow found no GPU.*CUDA 11\.2[^\n]*$/) as string,
    });
  });

  it('is refused where its package is there and the backend does not come up', async () => {
    await expect(loadBackend('tensorflow', loadWithGpu(true))).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringContaining('tensorflow backend does not load') as string,
    });
  });
});
