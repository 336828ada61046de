import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileOf } from '../exported-files.js';
import type { Reader } from '../readers.js';
import type { Python } from './find-python.js';

const SCRIPT = join(import.meta.dirname, 'read_export.py');
const TIMEOUT_MS = 60_000;

/** Readers of `read_export.py`: the format's file that each reads, and the module that it needs. */
const READERS = [
  { name: 'onnxruntime', extension: 'onnx', module: 'onnxruntime' },
  { name: 'onnx-reference', extension: 'onnx', module: 'onnx' },
  { name: 'safetensors', extension: 'safetensors', module: 'safetensors' },
  { name: 'torch', extension: 'safetensors', module: 'torch' },
] as const;

/** Those that `python` has. */
export const pythonReaders = (python: Python): Reader[] =>
  READERS.filter(({ module }) => python.modules.includes(module)).map(({ name, extension }) => ({
    name: `Python's ${name}`,
    read: (files, network) => {
      const bytes = fileOf(files, `${network}.${extension}`);
      return Promise.resolve((x) =>
        inFolder(async (folder) => {
          const paths = {
            file: join(folder, `${network}.${extension}`),
            x: join(folder, 'x'),
            y: join(folder, 'y'),
          };
          await writeFile(paths.file, bytes);
          await writeFile(paths.x, x);
          await runPython(python, [SCRIPT, name, paths.file, paths.x, paths.y], folder);
          return new Float32Array(new Uint8Array(await readFile(paths.y)).buffer);
        }),
      );
    },
  }));

/** What the standard's own checker found in an ONNX file that it has passed. */
export interface CheckedOnnx {
  readonly ir: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: Readonly<Record<string, readonly (string | number)[]>>;
  readonly outputs: Readonly<Record<string, readonly (string | number)[]>>;
  readonly operators: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Throws what the checker says against the first that it does not pass. */
export function checkOnnx(python: Python, files: readonly Uint8Array[]): Promise<CheckedOnnx[]> {
  return inFolder(async (folder) => {
    const paths = files.map((_, index) => join(folder, `${index}.onnx`));
    await Promise.all(files.map((bytes, index) => writeFile(paths[index]!, bytes)));
    return JSON.parse(await runPython(python, [SCRIPT, 'onnx-checker', ...paths], folder)) as CheckedOnnx[];
  });
}

/** What it prints; its error says all that Python said. */
export async function runPython(
  { program }: Python,
  args: readonly string[],
  folder: string,
): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { cwd: folder, timeout: TIMEOUT_MS });
  return stdout;
}

/** In a new folder, which is gone afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'gan-export-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
