import { sha256Of } from '../../proto/runtime/sha256.js';
import { findGeneratorFile, readGeneratorFile, type GeneratorFile } from './generator-file.js';
import { GeneratorSession } from './generator-session.js';
import type { Generator } from './generator.js';
import { readLayersModel } from './layers-model-reader.js';
import { readOnnx } from './onnx-reader.js';
import type { ReadableModel } from './readable-model.js';
import { plain } from './refusal.js';
import { checkAgainstRecord } from './run-record.js';
import { readSafetensors } from './safetensors-reader.js';

/**
 * Opens a generator that gan-cluster exported: generator.onnx, model.json with its weights beside it,
 * generator.safetensors, or a folder that holds one of them (the first of these three). Where the record of a run lies
 * beside the file its SHA-256 is checked. All formats of one generator give the same images, to the last bit.
 *
 * Nothing that the file announces is believed before it is checked. Rejects with UsageError, one line that begins with
 * the path, for whatever is missing, damaged or no generator; with OperationalError where ONNX Runtime cannot be loaded.
 */
export async function openGenerator(path: string): Promise<Generator> {
  const file = await findGeneratorFile(path);
  const { model, sha256 } = await read(file);
  const session = await GeneratorSession.open(file.path, model);
  const { noiseSize, imageSize } = model;
  const words = Object.entries(model.provenance).map(([key, value]) => [plain(key), plain(value)] as const);
  const provenance = Object.fromEntries(words);
  return {
    ...file,
    sha256,
    noiseSize,
    imageSize,
    provenance,
    generate: (noise) => session.generate(noise),
    close: () => session.close(),
  };
}

async function read({ path, format }: GeneratorFile): Promise<{ model: ReadableModel; sha256: string }> {
  const bytes = await readGeneratorFile(path);
  await checkAgainstRecord(path, bytes);
  switch (format) {
    case 'onnx':
      return { model: readOnnx(path, bytes), sha256: sha256Of(bytes) };
    case 'safetensors':
      return { model: readSafetensors(path, bytes), sha256: sha256Of(bytes) };
    case 'layers-model': {
      const { model, weights } = await readLayersModel(path, bytes);
      return { model, sha256: sha256Of(Buffer.concat([bytes, weights])) };
    }
  }
}
