import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { GeneratorFormat } from './generator.js';
import { fileSystemWords, refusal } from './refusal.js';
import { readRunRecord } from './run-record.js';

/** Above this nothing is read: forty times the largest generator that a recipe trains. */
const MAX_FILE_BYTES = 1 << 28;

/** In the order in which a folder is searched. */
const FILES: Readonly<Record<string, GeneratorFormat>> = {
  'generator.onnx': 'onnx',
  'model.json': 'layers-model',
  'generator.safetensors': 'safetensors',
};

const ENDINGS: Readonly<Record<string, GeneratorFormat>> = {
  '.onnx': 'onnx',
  '.json': 'layers-model',
  '.safetensors': 'safetensors',
};

const FILE_WORDS = 'generator.onnx, model.json or generator.safetensors';

export interface GeneratorFile {
  readonly path: string;
  readonly format: GeneratorFormat;
}

/** The generator's file that `path`, a file or a folder, means. Throws UsageError. */
export async function findGeneratorFile(path: string): Promise<GeneratorFile> {
  const found = await stat(path).catch((error: unknown) => {
    throw refusal(path, `${fileSystemWords(error)}; ${FILE_WORDS}, or a folder that holds one, was expected`);
  });
  if (found.isDirectory()) return findInFolder(path);
  const ending = Object.keys(ENDINGS).find((candidate) => path.endsWith(candidate));
  const format = ending === undefined ? undefined : ENDINGS[ending];
  if (format === undefined)
    throw refusal(
      path,
      path.endsWith('.bin')
        ? 'holds weights alone: name the model.json beside it'
        : `was expected to end in ${Object.keys(ENDINGS).join(', ')}, or to be a folder`,
    );
  return { path, format };
}

async function findInFolder(folder: string): Promise<GeneratorFile> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw refusal(folder, fileSystemWords(error));
  });
  for (const [name, format] of Object.entries(FILES))
    if (names.includes(name)) return { path: join(folder, name), format };
  const record = await readRunRecord(folder);
  if (record !== null && record.outcome !== 'done') {
    const { outcome, stepsDone, stepsPlanned } = record;
    const how = { running: 'is', interrupted: 'was interrupted', failed: 'has failed' }[outcome];
    throw refusal(
      folder,
      `has no generator yet: its run ${how} at step ${stepsDone} of ${stepsPlanned}, and the generator is written when all are done: finish it, or name another`,
    );
  }
  const others = names.length === 1 ? '1 other file' : `${names.length} other files`;
  const words = names.length === 0 ? 'it is empty' : `found ${others}`;
  throw refusal(folder, `was expected to hold ${FILE_WORDS}, ${words}: name a run's folder, or the file`);
}

/**
 * The file's whole content. Throws UsageError; nothing larger than a generator can be is read.
 * @param neededBy the file that tells of this one
 */
export async function readGeneratorFile(path: string, neededBy?: string): Promise<Uint8Array> {
  const refuse = (error: unknown): never => {
    const whose =
      neededBy === undefined ? '' : `, and ${basename(neededBy)} needs it: copy or fetch it as well`;
    throw refusal(path, `${fileSystemWords(error)}${whose}`, error);
  };
  const found = await stat(path).catch(refuse);
  // A pipe would be waited for.
  if (!found.isFile()) throw refusal(path, 'was expected to be a file');
  if (found.size === 0) throw refusal(path, 'is empty: copy or fetch it again');
  if (found.size > MAX_FILE_BYTES)
    throw refusal(path, `has ${found.size} bytes, more than the ${MAX_FILE_BYTES} that a generator may have`);
  return readFile(path).catch(refuse);
}
