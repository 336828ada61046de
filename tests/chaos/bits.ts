import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunFile } from '../../coordinator/index.js';

const GENERATOR_FILES = ['generator.onnx', 'weights.bin', 'generator.safetensors'] as const;

/** What must be the same for every run of a shape, whatever happened to it. */
export interface Bits {
  readonly stateSha256: string | null;
  /** SHA-256 of the generator's files. */
  readonly files: Readonly<Record<string, string>>;
  /** history.csv without its timing column. */
  readonly history: readonly string[];
}

export const readRunFile = (out: string): RunFile =>
  JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunFile;

export function readBits(out: string): Bits {
  const sha256 = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(out, name)))
      .digest('hex');
  const lines = readFileSync(join(out, 'history.csv'), 'utf8').trimEnd().split('\n');
  return {
    stateSha256: readRunFile(out).stateSha256,
    files: Object.fromEntries(GENERATOR_FILES.map((name) => [name, sha256(name)])),
    history: lines.map((line) => line.slice(0, line.lastIndexOf(','))),
  };
}
