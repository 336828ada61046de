import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ganCluster, readRunFile, temporaryFolder } from '../integration/cluster/gan-cluster.js';
import { gpuEngines } from './gpu-engines.js';

const usable = (await gpuEngines()).filter((probe) => probe.usable);
const SHAPE = ['--data', 'synthetic', '--shards', '4', '--shard-batch', '8', '--steps', '12'];

describe.each(usable)('training with $name', ({ name, devices }) => {
  it('ends with the same bits on one card and on all, one worker a card', { timeout: 900_000 }, async () => {
    const folder = temporaryFolder();
    const train = async (out: string, ...flags: string[]): Promise<string> => {
      const args = ['train', ...SHAPE, '--engine', name, '--out', out, ...flags];
      const end = await ganCluster(args, { cwd: folder });
      expect(end.status, `${end.stdout}${end.stderr}`).toBe(0);
      return readRunFile(join(folder, out)).stateSha256 ?? '';
    };
    const one = await train('one', '--workers', '1');
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    // Without a number of workers: as many as there are cards.
    expect(await train('all')).toBe(one);
    process.stdout.write(`${name}: the same bits with 1 worker and with ${Math.max(1, devices.length)}\n`);
  });
});
