import { setImmediate as turn } from 'node:timers/promises';
import type { NetworkName, RunSpec } from '../../proto/index.js';
import type { NamedFile } from './named-file.js';
import { layersModelFiles } from './layers-model.js';
import { onnxFile } from './onnx-file.js';
import { provenance } from './provenance.js';
import type { Provenance } from './provenance.js';
import { safetensors } from './safetensors.js';
import { sampleImagesIdx } from './samples.js';
import type { Generate } from './samples.js';
import { trainedNetwork } from './trained-network.js';
import type { TrainedNetwork } from './trained-network.js';

export interface GeneratorExport {
  readonly spec: RunSpec;
  /** Number of steps trained. */
  readonly step: number;
  /** Of both networks, laid out as modelLayout(spec.model). Only read, and not to change until the promise is kept. */
  readonly parameters: Float32Array;
  /** Running statistics, laid out as ModelLayout.statistics. Like `parameters`. */
  readonly statistics: Float32Array;
  /** Of the whole replica state. */
  readonly stateSha256: string;
  /** The engine's generator in evaluation mode; called once, for the sample images. */
  readonly generate: Generate;
  /** Whose files are wanted; the generator's alone unless said otherwise. */
  readonly networks?: readonly NetworkName[];
}

/**
 * The files of a finished generator: `generator.onnx`, `model.json` and `weights.bin` (TensorFlow.js),
 * `generator.safetensors`, and `samples-idx3-ubyte`, 25 images [25, 28, 28] from fixed noise. Of the discriminator, where
 * it is wanted: `discriminator.onnx`, `discriminator-model.json`, `discriminator-weights.bin`, `discriminator.safetensors`.
 * Their bytes are a function of the arguments alone. No file shares its memory with another or with the arguments. The
 * event loop gets a turn after each format, which takes tens of milliseconds. Rejects with what `generate` rejects with.
 */
export async function exportGenerator(request: GeneratorExport): Promise<NamedFile[]> {
  const { spec, parameters, statistics } = request;
  const origin = provenance(spec, request.step, request.stateSha256);
  const files: NamedFile[] = [];
  for (const name of request.networks ?? ['generator']) {
    const network = trainedNetwork(spec.model, name, parameters, statistics);
    for (const format of FORMATS) {
      files.push(...format(network, origin));
      await turn();
    }
  }
  files.push({ name: 'samples-idx3-ubyte', bytes: await sampleImagesIdx(spec, request.generate) });
  return files;
}

type Format = (network: TrainedNetwork, origin: Provenance) => NamedFile[];

const FORMATS: readonly Format[] = [
  (network, origin) => [{ name: `${network.name}.onnx`, bytes: onnxFile(network, origin) }],
  layersModelFiles,
  (network, origin) => [{ name: `${network.name}.safetensors`, bytes: safetensors(network, origin) }],
];
