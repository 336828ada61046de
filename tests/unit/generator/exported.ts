import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Of } from '../../../proto/runtime/sha256.js';
import { exportGenerator, type NamedFile } from '../../../worker/export/index.js';
import { NETWORK_NAMES } from '../../../proto/index.js';
import { float64Output } from '../export/float64-network.js';
import { runSpec, STATE_SHA256, type TrainedModel } from '../export/trained-model.js';

export const STEP = 9_360;

/** What a run gives out of a trained model, its discriminator too. */
export function exported(trained: TrainedModel): Promise<NamedFile[]> {
  const { model, parameters, statistics } = trained;
  return exportGenerator({
    spec: runSpec(model),
    step: STEP,
    parameters,
    statistics,
    stateSha256: STATE_SHA256,
    networks: NETWORK_NAMES,
    generate: (noise) => Promise.resolve(Float32Array.from(float64Output(trained, 'generator', noise))),
  });
}

export function fileNamed(files: readonly NamedFile[], name: string): Uint8Array {
  const file = files.find((candidate) => candidate.name === name);
  if (file === undefined) throw new Error(`no ${name} was exported`);
  return file.bytes;
}

export function writeFiles(folder: string, files: readonly NamedFile[]): void {
  for (const { name, bytes } of files) writeFileSync(join(folder, name), bytes);
}

/** The record that a finished run leaves beside its files, as far as readers of generators care. */
export function writeRecord(folder: string, files: readonly NamedFile[], outcome = 'done'): void {
  const record = {
    outcome,
    stepsPlanned: STEP,
    stepsDone: STEP,
    files: files.map(({ name, bytes }) => ({ name, bytes: bytes.length, sha256: sha256Of(bytes) })),
  };
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record));
}
