import { beforeAll, describe, expect, it } from 'vitest';
import { TUTORIAL_MODEL } from '../../../proto/index.js';
import type { ModelDescription, NetworkName } from '../../../proto/index.js';
import { createEngine } from '../../../worker/engine/index.js';
import type { EngineName } from '../../../worker/engine/index.js';
import {
  deviations,
  disturbedParameters,
  emptyUpdate,
  initialParameters,
  makeShard,
  SMALL_MODEL,
  UNUSUAL_MODELS,
} from './fixtures.js';
import type { Shard } from './fixtures.js';
import { discriminatorHalf, generatorHalf } from './reference/gan.js';
import { trainedParameters } from './training.js';

/** Largest difference over largest magnitude, for every tensor. */
const TOLERANCE = 1e-4;

type Updates = Readonly<Record<NetworkName, ArrayLike<number>>>;

async function engineUpdates(
  name: EngineName,
  model: ModelDescription,
  rows: number,
  parameters: Float32Array,
  { pixels, noise }: Shard,
): Promise<Updates> {
  const engine = await createEngine(name, { model, shardBatch: rows, slots: 1, parameters });
  const discriminator = emptyUpdate(model, 'discriminator');
  const generator = emptyUpdate(model, 'generator');
  await engine.discriminatorHalf(0, pixels, noise, discriminator);
  await engine.generatorHalf(0, generator);
  await engine.close();
  return { discriminator, generator };
}

function referenceUpdates(model: ModelDescription, parameters: Float32Array, shard: Shard): Updates {
  const reference = { model, parameters: Float64Array.from(parameters), ...shard };
  return {
    discriminator: discriminatorHalf(reference).update,
    generator: generatorHalf(reference).update,
  };
}

function expectAgreement(model: ModelDescription, what: string, actual: Updates, expected: Updates): void {
  for (const network of ['discriminator', 'generator'] as const) {
    for (const { tensor, error } of deviations(model, network, actual[network], expected[network])) {
      expect(error, `${tensor}, ${what}`).toBeLessThan(TOLERANCE);
    }
  }
}

async function expectAllToAgree(
  model: ModelDescription,
  rows: number,
  parameters: Float32Array,
  engines: readonly EngineName[],
): Promise<void> {
  const shard = makeShard(model, rows, rows);
  const expected = referenceUpdates(model, parameters, shard);
  const found: { name: EngineName; updates: Updates }[] = [];
  for (const name of engines) {
    const updates = await engineUpdates(name, model, rows, parameters, shard);
    expectAgreement(model, `${name} against the reference`, updates, expected);
    for (const other of found) {
      expectAgreement(model, `${name} against ${other.name}`, updates, other.updates);
    }
    found.push({ name, updates });
  }
}

describe('both engine families and the reference agree on the tutorial', () => {
  let trained: Float32Array;
  beforeAll(async () => {
    trained = await trainedParameters(TUTORIAL_MODEL, 32, 100);
  });

  it.each([8, 32, 100])('at initial parameters, shards of %d', async (rows) => {
    await expectAllToAgree(TUTORIAL_MODEL, rows, initialParameters(TUTORIAL_MODEL, 1), [
      'onnx-cpu',
      'tfjs-wasm',
    ]);
  });

  it.each([8, 32, 100])('at trained parameters, shards of %d', async (rows) => {
    await expectAllToAgree(TUTORIAL_MODEL, rows, trained, ['onnx-cpu', 'tfjs-wasm']);
  });

  it('on the plain JavaScript backend', async () => {
    await expectAllToAgree(TUTORIAL_MODEL, 8, trained, ['tfjs-cpu']);
  });
});

describe.each(Object.entries({ small: SMALL_MODEL, ...UNUSUAL_MODELS }))(
  'all agree on the model %s',
  (_, model) => {
    // Not 2: of two rows, batch norm leaves little but the sign, and the gradient is what rounding left of zero.
    it.each([4, 7, 33])('shards of %d', async (rows) => {
      const parameters = disturbedParameters(model, rows);
      await expectAllToAgree(model, rows, parameters, ['onnx-cpu', 'tfjs-wasm', 'tfjs-cpu']);
    });
  },
);

describe('a discriminator that is sure of itself', () => {
  it.each([1, -1])('gives gradients that are finite and right, its last layer times %d00', async (sign) => {
    const model = SMALL_MODEL;
    const parameters = disturbedParameters(model, 4).map((value, i, all) =>
      // The last dense layer: 16 weights and a bias.
      i >= all.length - 17 ? 100 * sign * value : value,
    );
    await expectAllToAgree(model, 16, parameters, ['onnx-cpu', 'tfjs-wasm', 'tfjs-cpu']);
  });
});
