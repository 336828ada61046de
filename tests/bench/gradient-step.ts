import { modelLayout, TUTORIAL_MODEL, updateLayout } from '../../proto/index.js';
import { initialParameters } from '../../proto/initial-parameters.js';
import { fillNormal } from '../../proto/random.js';
import { createEngine, type EngineName } from '../../worker/engine/index.js';
import { timed, type Spread } from './samples.js';

/** Milliseconds for both halves of one shard's step, verified to give finite, non-zero gradients. */
export async function measureGradientStep(name: EngineName, batch: number, repeats: number): Promise<Spread> {
  const layout = modelLayout(TUTORIAL_MODEL);
  const parameters = initialParameters(layout, 1);
  const engine = await createEngine(name, { model: TUTORIAL_MODEL, shardBatch: batch, slots: 1, parameters });
  const pixels = Uint8Array.from({ length: batch * 784 }, (_, i) => (i * 37) % 256);
  const noise = new Float32Array(batch * 100);
  fillNormal(noise, { seed: 1, stream: 'noise' });
  const outs = (['discriminator', 'generator'] as const).map(
    (network) => new Float32Array(updateLayout(layout, network).floatLength),
  );
  const [first, second] = outs;
  if (first === undefined || second === undefined) throw new Error('two halves');
  const spread = await timed(
    async () => {
      await engine.discriminatorHalf(0, pixels, noise, first);
      await engine.generatorHalf(0, second);
    },
    repeats,
    Math.ceil(repeats / 4),
  );
  for (const out of outs) {
    if (!out.every(Number.isFinite) || out.every((value) => value === 0))
      throw new Error(`${name} gave no gradient`);
  }
  await engine.close();
  return spread;
}
