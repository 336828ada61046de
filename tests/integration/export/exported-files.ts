import type { ModelDescription } from '../../../proto/index.js';
import { exportGenerator } from '../../../worker/export/index.js';
import { runSpec, STATE_SHA256, type TrainedModel } from '../../unit/export/trained-model.js';

/** Both networks of `trained` in every format, as a run writes them, by file name. */
export async function exportedFiles(trained: TrainedModel): Promise<ReadonlyMap<string, Uint8Array>> {
  const { model, parameters, statistics } = trained;
  const files = await exportGenerator({
    spec: runSpec(model),
    step: 468,
    parameters,
    statistics,
    stateSha256: STATE_SHA256,
    networks: ['generator', 'discriminator'],
    // For the sample images alone, which nobody reads here.
    generate: (noise) => Promise.resolve(new Float32Array(imageCount(model, noise) * imageSize(model))),
  });
  return new Map(files.map(({ name, bytes }) => [name, bytes]));
}

const imageSize = (model: ModelDescription): number => model.discriminator.inputSize;
const imageCount = (model: ModelDescription, noise: Float32Array): number =>
  noise.length / model.generator.inputSize;

/** Throws where the export has no such file. */
export function fileOf(files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined) throw new Error(`no file ${name}, only ${[...files.keys()].join(', ')}`);
  return bytes;
}
