import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeClusterFile } from '../../../deploy/local/cluster-file.js';
import { ganCluster, temporaryFolder } from '../cluster/gan-cluster.js';

const CASES: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['no number', ['--out', 'run'], /required option '--workers <n>' not specified/],
  ['no workers', ['--workers', '0'], /'0' is invalid. A whole number from 1 to 1024 was expected/],
  ['too many workers', ['--workers', '1025'], /from 1 to 1024 was expected/],
  ['no cluster at all', ['--workers', '2'], /^error: no cluster is running in runs\/: /],
  ['no cluster there', ['--workers', '2', '--out', 'run'], /^error: --out: no cluster is running in run$/],
];

describe('gan-cluster scale', () => {
  it.each(CASES)('with %s: one clear line, exit status 2', async (_, args, message) => {
    // The number is for this cluster alone: one that is meant for other commands is not taken.
    const env = { GAN_WORKERS: '2' };
    const end = await ganCluster(['scale', ...args], { cwd: temporaryFolder(), env });
    expect(end).toMatchObject({ status: 2, stdout: '' });
    const [line = '', ...hints] = end.stderr.trimEnd().split('\n');
    expect(line).toMatch(message);
    expect(hints.filter((hint) => !hint.includes('--help'))).toEqual([]);
  });

  it.each([
    ['is gone', spawnSync(process.execPath, ['--version']).pid, /its launcher, process \d+, is gone/],
    // The process id may be in use again by another.
    ['runs, but whose NATS server is gone', process.pid, /run stale does not answer \(launcher: process/],
  ])('with a cluster file whose launcher %s: the same, without waiting', async (_, launcherPid, message) => {
    const folder = temporaryFolder();
    await writeClusterFile(join(folder, 'run'), {
      runId: 'stale',
      cluster: 'stale',
      natsUrl: 'nats://127.0.0.1:1',
      natsCredentialsFile: null,
      launcherPid,
      startedMs: 1,
      shards: 4,
    });
    const end = await ganCluster(['scale', '--workers', '2', '--out', 'run'], { cwd: folder });
    expect(end.status).toBe(2);
    expect(end.stderr).toMatch(message);
    expect(end.stderr.trimEnd()).not.toContain('\n');
  });
});
