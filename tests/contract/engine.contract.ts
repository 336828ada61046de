import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { modelLayout, updateLayout } from '../../proto/index.js';
import type { NetworkName } from '../../proto/index.js';
import { engineFingerprint } from '../../worker/engine/index.js';
import type { Engine, EngineOptions, GeneratorWeights } from '../../worker/engine/index.js';
import {
  deviations,
  disturbedParameters,
  emptyUpdate,
  makeShard,
  SMALL_MODEL,
} from '../unit/engine/fixtures.js';
import { discriminatorHalf, generate, generatorHalf } from '../unit/engine/reference/gan.js';

const MODEL = SMALL_MODEL;
const ROWS = 6;
const SLOTS = 3;
const TOLERANCE = 1e-4;

/** What every engine must do, whatever it computes on. `create` makes an engine of the given options. */
export function describeEngine(name: string, create: (options: EngineOptions) => Promise<Engine>): void {
  describe(`engine ${name}`, () => {
    const layout = modelLayout(MODEL);
    const [first, second] = [makeShard(MODEL, ROWS, 1), makeShard(MODEL, ROWS, 2)];
    const initial = disturbedParameters(MODEL, 1);
    const options = { model: MODEL, shardBatch: ROWS, slots: SLOTS, parameters: initial.slice() };
    /** The generator in training, with statistics that the test gives it. */
    const weights = (statistics: Float32Array): GeneratorWeights => {
      const { offset, size } = layout.generator;
      return { parameters: options.parameters.subarray(offset, offset + size), statistics };
    };
    let engine: Engine;

    beforeAll(async () => {
      engine = await create(options);
    });
    afterAll(async () => {
      await engine.close();
    });
    beforeEach(() => {
      options.parameters.set(initial);
    });

    const discriminator = async (
      slot: number,
      { pixels, noise } = first,
      subject = engine,
    ): Promise<Float32Array> => {
      const out = emptyUpdate(MODEL, 'discriminator');
      await subject.discriminatorHalf(slot, pixels, noise, out);
      return out;
    };
    const generator = async (slot: number, subject = engine): Promise<Float32Array> => {
      const out = emptyUpdate(MODEL, 'generator');
      await subject.generatorHalf(slot, out);
      return out;
    };
    const reference = (shard = first) => ({
      model: MODEL,
      parameters: Float64Array.from(options.parameters),
      ...shard,
    });
    const expectClose = (network: NetworkName, actual: Float32Array, expected: Float64Array): void => {
      for (const { tensor, error } of deviations(MODEL, network, actual, expected)) {
        expect(error, tensor).toBeLessThan(TOLERANCE);
      }
    };

    it('says what it is', () => {
      expect(engine.name).toMatch(/^(onnx|tfjs)-/);
      expect(engine.version).toMatch(/\d+\.\d+\.\d+/);
    });

    it('computes both halves right and overwrites all of the results', async () => {
      expectClose('discriminator', await discriminator(0), discriminatorHalf(reference()).update);
      expectClose('generator', await generator(0), generatorHalf(reference()).update);
    });

    it('gives the same bits for the same inputs, in any slot and after anything else', async () => {
      const expected = [await discriminator(0), await generator(0)];
      await discriminator(1, second);
      await generator(1);
      await engine.generate(second.noise, weights(new Float32Array(layout.statisticCount).fill(0.5)));
      await engine.batchStatistics(
        second.noise,
        disturbedParameters(MODEL, 2).subarray(0, layout.generator.size),
      );
      const again = [await discriminator(2), await generator(2)];
      expect(again).toEqual(expected);
      expect([await discriminator(0), await generator(0)]).toEqual(expected);
    });

    it('gives the same bits as another engine of its kind', async () => {
      const expected = [await discriminator(0), await generator(0)];
      const other = await create(options);
      expect([await discriminator(0, first, other), await generator(0, other)]).toEqual(expected);
      await other.close();
    });

    it('keeps the activations of every slot until the second halves', async () => {
      const alone = [];
      for (const shard of [first, second]) {
        await discriminator(0, shard);
        alone.push(await generator(0));
      }
      await discriminator(0, first);
      await discriminator(1, second);
      const later = [await generator(0), await generator(1)];
      expect(later).toEqual(alone);
      // A redo computes from the same activations again.
      expect(await generator(0)).toEqual(alone[0]);
      expect(alone[0]).not.toEqual(alone[1]);
    });

    it('fills the same vector again', async () => {
      const out = emptyUpdate(MODEL, 'discriminator');
      await engine.discriminatorHalf(0, second.pixels, second.noise, out);
      await engine.discriminatorHalf(0, first.pixels, first.noise, out);
      expect(out).toEqual(await discriminator(1, first));
    });

    it('fills a view within a larger vector and nothing around it', async () => {
      const expected = await discriminator(0);
      const around = new Float32Array(expected.length + 20).fill(7);
      const out = around.subarray(10, 10 + expected.length);
      await engine.discriminatorHalf(0, first.pixels, first.noise, out);
      expect(out).toEqual(expected);
      expect([...around.subarray(0, 10), ...around.subarray(-10)]).toEqual(new Array(20).fill(7));
    });

    it('owns its copy of noise and pixels, and leaves those of the caller and the parameters alone', async () => {
      await discriminator(0);
      const expected = await generator(0);
      const parameters = options.parameters.slice();
      const [pixels, noise] = [first.pixels.slice(), first.noise.slice()];
      await engine.discriminatorHalf(0, pixels, noise, emptyUpdate(MODEL, 'discriminator'));
      expect([pixels, noise, options.parameters]).toEqual([first.pixels, first.noise, parameters]);
      pixels.fill(0);
      noise.fill(0);
      expect(await generator(0)).toEqual(expected);
    });

    it('reads the parameters as they are: the second half sees the updated discriminator', async () => {
      await discriminator(0);
      const before = await generator(0);
      const { offset, size } = layout.discriminator;
      for (let i = offset; i < offset + size; i++) options.parameters[i]! *= 1.25;
      const after = await generator(0);
      expect(after).not.toEqual(before);
      expectClose('generator', after, generatorHalf(reference()).update);
      const half = await discriminator(1, second);
      expectClose('discriminator', half, discriminatorHalf(reference(second)).update);
    });

    it('reads pixels as x / 127.5 - 1', async () => {
      const bytes = Uint8Array.from({ length: first.pixels.length }, (_, i) => (i * 37) % 256);
      const half = await discriminator(0, { pixels: bytes, noise: first.noise });
      const expected = discriminatorHalf(reference({ pixels: bytes, noise: first.noise }));
      expectClose('discriminator', half, expected.update);
    });

    it.each([0, 1, 3, 300])('generates %d images', async (count) => {
      const { noise } = makeShard(MODEL, count, 5);
      const statistics = Float32Array.from({ length: layout.statisticCount }, (_, i) => 0.2 + 0.01 * i);
      const images = await engine.generate(noise, weights(statistics));
      const expected = generate(MODEL, Float64Array.from(options.parameters), noise, statistics);
      expect(images.length).toBe(count * MODEL.discriminator.inputSize);
      images.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5));
      expect(await engine.generate(noise, weights(statistics))).toEqual(images);
    });

    it('generates with weights that are not those in training', async () => {
      const other = disturbedParameters(MODEL, 2);
      const { noise } = makeShard(MODEL, 4, 5);
      const statistics = Float32Array.from({ length: layout.statisticCount }, (_, i) => 0.2 + 0.01 * i);
      const parameters = other.slice(0, layout.generator.size);
      const images = await engine.generate(noise, { parameters, statistics });
      const expected = generate(MODEL, Float64Array.from(other), noise, statistics);
      images.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5));
    });

    it('tells what the batch norms of any weights see of a shard of noise', async () => {
      const parameters = disturbedParameters(MODEL, 2);
      const found = await engine.batchStatistics(second.noise, parameters.slice(0, layout.generator.size));
      const { update } = discriminatorHalf({
        ...reference(second),
        parameters: Float64Array.from(parameters),
      });
      const { statisticsOffset } = updateLayout(layout, 'discriminator');
      expect(found).toHaveLength(layout.statisticCount);
      found.forEach((value, i) => expect(value).toBeCloseTo(update[statisticsOffset + i]!, 4));
    });

    it('teaches D a doubt about real images where it is asked for', async () => {
      const realTarget = 0.9;
      const smoothed = await create({ ...options, realTarget });
      const half = await discriminator(0, first, smoothed);
      expectClose('discriminator', half, discriminatorHalf({ ...reference(), realTarget }).update);
      // What is one-sided: G learns as ever.
      expect(await generator(0, smoothed)).toEqual((await discriminator(0), await generator(0)));
      await smoothed.close();
    });

    it('lets a loss that is not finite be seen', async () => {
      options.parameters[layout.parameterCount - 1] = Number.NaN; // the logit's bias
      expect((await discriminator(0)).some(Number.isNaN)).toBe(true);
      expect((await generator(0)).some(Number.isNaN)).toBe(true);
    });

    it('has a fingerprint that tells shapes and versions apart, and restores the parameters', async () => {
      const before = options.parameters.slice();
      const fingerprint = await engineFingerprint(engine, options);
      expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
      expect(options.parameters).toEqual(before);
      options.parameters.fill(0.01);
      expect(await engineFingerprint(engine, options)).toBe(fingerprint);
      expect(await engineFingerprint(engine, options, ['kernels 2'])).not.toBe(fingerprint);
      const larger = { ...options, shardBatch: ROWS + 1 };
      const other = await create(larger);
      expect(await engineFingerprint(other, larger)).not.toBe(fingerprint);
      await other.close();
    });

    it('refuses what its caller must not do', async () => {
      const fresh = await create(options);
      await expect(generator(1, fresh)).rejects.toThrow('slot 1');
      await fresh.close();
      await expect(discriminator(SLOTS)).rejects.toThrow(`slot ${SLOTS}`);
      const short = { pixels: first.pixels.subarray(1), noise: first.noise };
      await expect(discriminator(0, short)).rejects.toThrow('pixels');
      await expect(discriminator(0, { ...first, noise: first.noise.subarray(1) })).rejects.toThrow('noise');
      await expect(
        engine.discriminatorHalf(0, first.pixels, first.noise, new Float32Array(3)),
      ).rejects.toThrow('results');
      await expect(
        engine.generate(new Float32Array(3), weights(new Float32Array(layout.statisticCount))),
      ).rejects.toThrow('whole rows');
      await expect(engine.generate(first.noise, weights(new Float32Array(1)))).rejects.toThrow('statistics');
      const { parameters } = weights(new Float32Array());
      await expect(engine.batchStatistics(first.noise.subarray(1), parameters)).rejects.toThrow('noise');
      await expect(engine.batchStatistics(first.noise, initial)).rejects.toThrow("generator's parameters");
    });
  });
}
