import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runFileSchema, type RunFile } from '../../coordinator/index.js';
import { ganCluster } from '../integration/cluster/gan-cluster.js';

/** The record of an undisturbed run on this machine, without containers. */
export async function trainHere(flags: readonly string[]): Promise<RunFile> {
  const folder = mkdtempSync(join(tmpdir(), 'gan-cluster-reference-'));
  try {
    const out = join(folder, 'run');
    const { status, stdout, stderr } = await ganCluster(['train', '--workers', '1', '--out', out, ...flags]);
    if (status !== 0) throw new Error(`the reference run ended with ${status}: ${stdout}${stderr}`);
    return readRun(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const readRun = (out: string): RunFile =>
  runFileSchema.parse(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')));
