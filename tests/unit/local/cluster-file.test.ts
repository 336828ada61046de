import { spawnSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  findCluster,
  removeClusterFile,
  writeClusterFile,
  type ClusterAccess,
} from '../../../deploy/local/cluster-file.js';
import { UsageError } from '../../../proto/index.js';

let runs = '';
beforeEach(() => {
  runs = mkdtempSync(join(tmpdir(), 'cluster-file-'));
});
afterEach(() => rmSync(runs, { recursive: true, force: true }));

const run = (name: string): string => join(runs, name);
const access = (runId: string, startedMs: number, launcherPid = process.pid): ClusterAccess => ({
  runId,
  cluster: runId,
  natsUrl: 'nats://127.0.0.1:4222',
  natsCredentialsFile: null,
  launcherPid,
  startedMs,
  shards: 4,
});
const write = (name: string, startedMs: number, launcherPid?: number): Promise<void> =>
  writeClusterFile(run(name), access(name, startedMs, launcherPid));

/** Of a process that has ended. */
const gonePid = (): number => spawnSync(process.execPath, ['--version']).pid;

describe('the file of a cluster', () => {
  it('is readable by this user only, and found until it is removed', async () => {
    await write('a', 1);
    expect(statSync(join(run('a'), '.cluster', 'cluster.json')).mode & 0o777).toBe(0o600);
    expect(findCluster(run('a'))).toEqual(access('a', 1));
    await removeClusterFile(run('a'));
    expect(() => findCluster(run('a'))).toThrow(UsageError);
    await removeClusterFile(run('a'));
  });

  it('that cannot be written is told in one line', async () => {
    writeFileSync(run('a'), '');
    await expect(write('a', 1)).rejects.toThrow(/cluster\.json cannot be written: /);
  });
});

describe('findCluster', () => {
  it('takes the newest of those that run', async () => {
    await write('older', 1);
    await write('newest', 3);
    await write('newer', 2);
    await write('killed', 4, gonePid());
    mkdirSync(run('ended'));
    mkdirSync(join(run('other'), '.cluster'), { recursive: true });
    writeFileSync(join(run('other'), '.cluster', 'cluster.json'), '{"version":0}');
    writeFileSync(run('a file'), '');
    expect(findCluster(undefined, runs).runId).toBe('newest');
  });

  it('says that none runs', async () => {
    const none = /^no cluster is running in .*: name the folder of its run by --out$/;
    expect(() => findCluster(undefined, join(runs, 'missing'))).toThrow(none);
    expect(() => findCluster(undefined, runs)).toThrow(none);
    await write('killed', 1, gonePid());
    expect(() => findCluster(undefined, runs)).toThrow(none);
  });

  it.each([
    ['a missing folder', undefined],
    ['a file that was cut', '{"runId":'],
    ['a file of another version', '{"runId":"x"}'],
  ])('says that none runs in a folder with %s', (_, text) => {
    if (text !== undefined) {
      mkdirSync(join(run('a'), '.cluster'), { recursive: true });
      writeFileSync(join(run('a'), '.cluster', 'cluster.json'), text);
    }
    expect(() => findCluster(run('a'))).toThrow(
      new UsageError(`--out: no cluster is running in ${run('a')}`),
    );
  });

  it('says that the launcher of the one that is named is gone', async () => {
    const pid = gonePid();
    await write('killed', 1, pid);
    expect(() => findCluster(run('killed'))).toThrow(
      `--out: no cluster is running in ${run('killed')} any more: its launcher, process ${pid}, is gone`,
    );
  });
});
