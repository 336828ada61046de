import { describe, expect, it } from 'vitest';
import { modelLayout, TUTORIAL_MODEL } from '../../../../proto/index.js';
import type { LayerDescription, ModelDescription, NetworkName } from '../../../../proto/index.js';
import { disturbedParameters, makeShard, randomNumbers, SMALL_MODEL, UNUSUAL_MODELS } from '../fixtures.js';
import { discriminatorHalf, generatorHalf } from './gan.js';
import type { ReferenceShard } from './gan.js';

/** The tutorial's layers at a quarter of their width: the reference knows no widths, and differences need many passes. */
const quarter = (layers: readonly LayerDescription[]): LayerDescription[] =>
  layers.map((layer) =>
    layer.kind === 'dense' && layer.units > 1 ? { ...layer, units: layer.units / 4 } : layer,
  );
const QUARTER_TUTORIAL: ModelDescription = {
  generator: { inputSize: 25, layers: quarter(TUTORIAL_MODEL.generator.layers) },
  discriminator: { inputSize: 196, layers: quarter(TUTORIAL_MODEL.discriminator.layers) },
};

const MODELS = { 'quarter tutorial': QUARTER_TUTORIAL, small: SMALL_MODEL, ...UNUSUAL_MODELS };
const HALVES = { discriminator: discriminatorHalf, generator: generatorHalf };
const ROWS = 5;
const SAMPLES = 64;
const STEP = 1e-5;

interface Loss {
  readonly loss: number;
  /** On which side of its kink every rectifier worked: the loss is smooth only while this stays the same. */
  readonly kinks: number;
}

function lossOf(shard: ReferenceShard, network: NetworkName): Loss {
  let kinks = 0x811c9dc5;
  const onRectified = (positive: boolean): void => {
    kinks = Math.imul(kinks ^ (positive ? 1 : 0), 0x01000193);
  };
  const { loss } = HALVES[network](shard, { onRectified, lossOnly: true });
  return { loss, kinks };
}

/** The loss's derivative by parameter `index`; undefined where a kink lies within the step. */
function centralDifference(
  shard: ReferenceShard,
  network: NetworkName,
  here: Loss,
  index: number,
): number | undefined {
  const { parameters } = shard;
  const value = parameters[index]!;
  const at = (shifted: number): Loss => {
    parameters[index] = shifted;
    const result = lossOf(shard, network);
    parameters[index] = value;
    return result;
  };
  const above = at(value + STEP);
  const below = at(value - STEP);
  if (above.kinks !== here.kinks || below.kinks !== here.kinks) return undefined;
  return (above.loss - below.loss) / (2 * STEP);
}

describe.each(Object.entries(MODELS))('reference gradients of %s', (_name, model) => {
  const shard = makeShard(model, ROWS, 3);
  it('are the central differences of the loss', () => {
    const start = disturbedParameters(model, 5);
    const reference: ReferenceShard = { model, parameters: Float64Array.from(start), ...shard };
    for (const network of ['discriminator', 'generator'] as const) {
      const { offset, tensors } = modelLayout(model)[network];
      const { update } = HALVES[network](reference);
      const here = lossOf(reference, network);
      const random = randomNumbers(11);
      for (const tensor of tensors) {
        const gradient = update.subarray(tensor.offset, tensor.offset + tensor.size);
        const magnitude = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const entries = Array.from({ length: tensor.size }, (_, i) => i);
        const wanted = Math.min(SAMPLES, tensor.size);
        let compared = 0;
        while (compared < wanted && entries.length > 0) {
          const [entry] = entries.splice(Math.floor(random() * entries.length), 1);
          const expected = centralDifference(reference, network, here, offset + tensor.offset + entry!);
          if (expected === undefined) continue;
          compared += 1;
          expect(
            Math.abs(gradient[entry!]! - expected),
            `${tensor.name}[${entry}]: ${gradient[entry!]} against ${expected}`,
          ).toBeLessThan(1e-6 * magnitude + 1e-9);
        }
        // Of a small tensor, a few entries may sit at a kink.
        expect(compared, tensor.name).toBeGreaterThanOrEqual(Math.min(wanted, Math.floor(0.9 * tensor.size)));
      }
    }
  });
});
