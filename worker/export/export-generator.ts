import type { RunSpec } from '../../proto/index.js';
import type { NamedFile } from './named-file.js';
import { layersModelFiles } from './layers-model.js';
import { generatorOnnx } from './onnx-file.js';
import { provenance } from './provenance.js';
import { safetensors } from './safetensors.js';
import { sampleImagesIdx } from './samples.js';
import type { Generate } from './samples.js';
import { trainedNetwork } from './trained-network.js';

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
}

/**
 * The files of a finished generator: `generator.onnx`, `model.json` and `weights.bin` (TensorFlow.js),
 * `generator.safetensors`, and `samples-idx3-ubyte`, 25 images [25, 28, 28] from fixed noise. Their bytes are a function
 * of the arguments alone. No file shares its memory with another or with the arguments. Rejects with what `generate`
 * rejects with.
 */
export async function exportGenerator(request: GeneratorExport): Promise<NamedFile[]> {
  const { spec, parameters, statistics } = request;
  const origin = provenance(spec, request.step, request.stateSha256);
  const generator = trainedNetwork(spec.model, 'generator', parameters, statistics);
  return [
    { name: 'generator.onnx', bytes: generatorOnnx(generator, origin) },
    ...layersModelFiles('generator', generator, origin),
    { name: 'generator.safetensors', bytes: safetensors(generator, origin) },
    { name: 'samples-idx3-ubyte', bytes: await sampleImagesIdx(spec, request.generate) },
  ];
}
