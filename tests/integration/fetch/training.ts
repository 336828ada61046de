import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchResult, type Fetched, type FetchOptions } from '../../../deploy/fetch/index.js';
import { GanCluster, ganCluster, readRunFile, untimedHistory } from '../cluster/gan-cluster.js';

const SHAPE = ['--data', 'synthetic', '--shards', '2', '--shard-batch', '8'];
/** Of a generator, as both a result and what is fetched in mid-run have them. */
export const FILES = ['generator.onnx', 'model.json', 'weights.bin', 'generator.safetensors', 'samples.png'];

export const bytesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(FILES.map((name) => [name, readFileSync(join(folder, name)).toString('base64')]));

/** What must not depend on who asked for what while it trained. */
export const bitsOf = (out: string): unknown => [
  bytesOf(out),
  readRunFile(out).stateSha256,
  untimedHistory(out),
];

/** What a safetensors file says of itself. */
export function provenanceOf(folder: string): Record<string, string> {
  const bytes = readFileSync(join(folder, 'generator.safetensors'));
  const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString();
  return (JSON.parse(header) as { __metadata__: Record<string, string> }).__metadata__;
}

export interface Training {
  readonly run: GanCluster;
  readonly url: string;
}

/** A local cluster that has begun to train. */
export async function training(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Training> {
  const run = new GanCluster(['train', ...SHAPE, '--json', ...args], { env });
  await run.printed('"phase":"training","step":');
  const url = /live page: (http:\S+?)"/.exec(run.output)?.[1] ?? '';
  return { run, url };
}

/** Trains so many steps with one worker and without a visitor. */
export async function trainAlone(out: string, steps: number): Promise<string> {
  const end = await ganCluster(['train', ...SHAPE, '--workers', '1', '--steps', String(steps), '--out', out]);
  if (end.status !== 0) throw new Error(end.stderr);
  return out;
}

export const fetchNewest = (url: string, out: string, extra: Partial<FetchOptions> = {}): Promise<Fetched> =>
  fetchResult({
    ...{ url, out, newest: true, discriminator: false, waitMs: 30_000, say: () => undefined },
    interrupt: new AbortController().signal,
    ...extra,
  });
