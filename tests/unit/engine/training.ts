import { modelLayout, updateLayout } from '../../../proto/index.js';
import type { ModelDescription, NetworkName } from '../../../proto/index.js';
import { createEngine } from '../../../worker/engine/index.js';
import { emptyUpdate, initialParameters, makeShard } from './fixtures.js';

const LEARNING_RATE = 2e-4;
const BETA_1 = 0.5;
const BETA_2 = 0.999;
const EPSILON = 1e-8;

/** Parameters after `steps` steps of the tutorial's recipe on drawn bars: what gradients look like once a run is on. */
export async function trainedParameters(
  model: ModelDescription,
  rows: number,
  steps: number,
): Promise<Float32Array> {
  const layout = modelLayout(model);
  const parameters = initialParameters(model, 1);
  const engine = await createEngine('onnx-cpu', { model, shardBatch: rows, slots: 1, parameters });
  const m = new Float64Array(parameters.length);
  const v = new Float64Array(parameters.length);
  const apply = (network: NetworkName, update: Float32Array, t: number): void => {
    const { offset } = layout[network];
    const { gradientLength } = updateLayout(layout, network);
    const stepSize = (LEARNING_RATE * Math.sqrt(1 - BETA_2 ** t)) / (1 - BETA_1 ** t);
    for (let i = 0; i < gradientLength; i++) {
      const g = update[i]!;
      const p = offset + i;
      m[p] = BETA_1 * m[p]! + (1 - BETA_1) * g;
      v[p] = BETA_2 * v[p]! + (1 - BETA_2) * g * g;
      parameters[p] = parameters[p]! - (stepSize * m[p]) / (Math.sqrt(v[p]) + EPSILON);
    }
  };
  const discriminator = emptyUpdate(model, 'discriminator');
  const generator = emptyUpdate(model, 'generator');
  for (let step = 0; step < steps; step++) {
    const { pixels, noise } = makeShard(model, rows, 1000 + step);
    await engine.discriminatorHalf(0, pixels, noise, discriminator);
    apply('discriminator', discriminator, step + 1);
    await engine.generatorHalf(0, generator);
    apply('generator', generator, step + 1);
  }
  await engine.close();
  return parameters;
}
