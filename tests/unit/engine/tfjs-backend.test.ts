import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { loadBackend } from '../../../worker/engine/tfjs/backend.js';

const require = createRequire(import.meta.url);

/** Packages as installed, but for a GPU package that says this of its device. */
const loadWithGpu = (isUsingGpuDevice: boolean) => (name: string) =>
  name === '@tensorflow/tfjs-node-gpu'
    ? {
        version: { 'tfjs-node': '4.22.0' },
        backend: () => ({ isUsingGpuDevice, binding: { TF_Version: '2.9.1' } }),
      }
    : (require(name) as unknown);

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
