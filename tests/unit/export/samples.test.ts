import { describe, expect, it } from 'vitest';
import { TUTORIAL_MODEL } from '../../../proto/index.js';
import { fillNormal } from '../../../proto/random.js';
import { parseIdx } from '../../../coordinator/dataset/idx.js';
import { sampleImagesIdx } from '../../../worker/export/samples.js';
import { ODD_MODEL, runSpec } from './trained-model.js';

describe('sample images', () => {
  it('are 25 images in an IDX file', async () => {
    const images = Float32Array.from({ length: 25 * 784 }, (_, i) => ((i % 256) - 127.5) / 127.5);
    const bytes = await sampleImagesIdx(runSpec(TUTORIAL_MODEL), () => Promise.resolve(images));
    const { data, dimensions } = parseIdx(bytes, 'samples-idx3-ubyte');
    expect(dimensions).toEqual([25, 28, 28]);
    expect([...data]).toEqual(Array.from({ length: 25 * 784 }, (_, i) => i % 256));
    expect([...bytes.subarray(0, 8)]).toEqual([0, 0, 8, 3, 0, 0, 0, 25]);
  });

  it('have the size that the model makes', async () => {
    const bytes = await sampleImagesIdx(runSpec(ODD_MODEL), () => Promise.resolve(new Float32Array(25 * 64)));
    expect(parseIdx(bytes, 'samples-idx3-ubyte').dimensions).toEqual([25, 8, 8]);
  });

  it('round to the nearest grey and stay within 0 and 255', async () => {
    const greys = [-1, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 0, 1, -3, 1.01, Infinity, -Infinity];
    const images = new Float32Array(25 * 784);
    images.set(greys);
    const bytes = await sampleImagesIdx(runSpec(TUTORIAL_MODEL), () => Promise.resolve(images));
    expect([...bytes.subarray(16, 16 + greys.length)]).toEqual([0, 0, 1, 128, 255, 0, 255, 255, 0]);
  });

  it("come from the noise that is the run's own", async () => {
    const asked: Float32Array[] = [];
    const generate = (noise: Float32Array): Promise<Float32Array> => {
      asked.push(noise.slice());
      return Promise.resolve(new Float32Array(25 * 784));
    };
    const spec = runSpec(TUTORIAL_MODEL);
    await sampleImagesIdx(spec, generate);
    await sampleImagesIdx({ ...spec, shards: 1, engine: 'tfjs-wasm' }, generate);
    await sampleImagesIdx({ ...spec, seed: 42 }, generate);
    const expected = new Float32Array(25 * 100);
    fillNormal(expected, { seed: spec.seed, stream: 'samples' });
    expect(asked).toHaveLength(3);
    expect(asked[0]).toEqual(expected);
    expect(asked[1]).toEqual(expected);
    expect(asked[2]).not.toEqual(expected);
  });

  it('fail as the generator fails', async () => {
    const failing = sampleImagesIdx(runSpec(TUTORIAL_MODEL), () =>
      Promise.reject(new Error('out of memory')),
    );
    await expect(failing).rejects.toThrow('out of memory');
    const short = sampleImagesIdx(runSpec(TUTORIAL_MODEL), () => Promise.resolve(new Float32Array(784)));
    await expect(short).rejects.toThrow('one image for each row of noise');
  });
});
