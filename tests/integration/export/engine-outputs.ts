import { modelLayout, updateLayout } from '../../../proto/index.js';
import { createEngine } from '../../../worker/engine/index.js';
import type { Engine } from '../../../worker/engine/index.js';
import { imagesOf, noiseRows, pixelRows, type TrainedModel } from '../../unit/export/trained-model.js';

/** What a network reads and what the engine that trains makes of it. */
export interface EngineOutput {
  readonly x: Float32Array; // [count, inputSize]
  readonly y: Float32Array; // [count, outputs]
}

/** Two rows of one image: the mean of what D says of a shard's real images is then what it says of that image. */
const SHARD_BATCH = 2;

const onnxCpu = ({ model, parameters }: TrainedModel): Promise<Engine> =>
  createEngine('onnx-cpu', { model, shardBatch: SHARD_BATCH, slots: 1, parameters });

/** `count` images that the engine generates. */
export async function engineImages(trained: TrainedModel, count: number): Promise<EngineOutput> {
  const engine = await onnxCpu(trained);
  const x = noiseRows(trained.model, count);
  const { size } = modelLayout(trained.model).generator;
  const { parameters, statistics } = trained;
  const y = await engine.generate(x, { parameters: parameters.subarray(0, size), statistics });
  await engine.close();
  return { x, y };
}

/** What the engine's discriminator says of `count` images, out of the first half of a step for each. */
export async function engineProbabilities(trained: TrainedModel, count: number): Promise<EngineOutput> {
  const { model } = trained;
  const engine = await onnxCpu(trained);
  const layout = updateLayout(modelLayout(model), 'discriminator');
  const real = layout.scalarOffset + layout.scalarNames.indexOf('discriminatorReal');
  const size = model.discriminator.inputSize;
  const pixels = pixelRows(model, count);
  const noise = noiseRows(model, SHARD_BATCH);
  const out = new Float32Array(layout.floatLength);
  const y = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const image = pixels.subarray(i * size, (i + 1) * size);
    await engine.discriminatorHalf(0, Uint8Array.of(...image, ...image), noise, out);
    y[i] = out[real] as number;
  }
  await engine.close();
  return { x: imagesOf(pixels), y };
}
