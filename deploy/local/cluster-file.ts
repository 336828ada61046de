import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { OperationalError, UsageError, messageOf } from '../../proto/index.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';
import { CLUSTER_FOLDER, RUNS_FOLDER } from './folders.js';

const clusterSchema = z.strictObject({
  runId: z.string(),
  /** Its name on the NATS server. */
  cluster: z.string(),
  natsUrl: z.string(),
  /** Null for a server that asks for nothing. */
  natsCredentialsFile: z.string().nullable(),
  launcherPid: z.int().min(1),
  /** Since 1970: the newest of several clusters is meant when none is named. */
  startedMs: z.number(),
  shards: z.int().min(1),
});

/** What another command needs to speak with a cluster on this machine. */
export type ClusterAccess = z.infer<typeof clusterSchema>;

const fileIn = (runFolder: string): string => join(runFolder, CLUSTER_FOLDER, 'cluster.json');

/** Tells other commands of this user how to reach the cluster, as long as it runs. Throws OperationalError. */
export async function writeClusterFile(runFolder: string, access: ClusterAccess): Promise<void> {
  const file = fileIn(runFolder);
  try {
    await writeWholeFile(file, `${JSON.stringify(access, null, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw new OperationalError('run-failed', `${file} cannot be written: ${messageOf(error)}`);
  }
}

export async function removeClusterFile(runFolder: string): Promise<void> {
  await rm(fileIn(runFolder), { force: true });
}

/** A process that was killed could not remove its file. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Null when the file is missing, or not one of this version. */
function read(file: string): ClusterAccess | null {
  try {
    return clusterSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new UsageError(`${file} cannot be read: ${messageOf(error)}`);
  }
}

/**
 * The cluster that runs in the run folder `out`, or the newest one below `runsFolder` when that is undefined. Throws
 * UsageError when there is none; one whose launcher was killed is none.
 */
export function findCluster(out: string | undefined, runsFolder = RUNS_FOLDER): ClusterAccess {
  if (out !== undefined) {
    const access = read(fileIn(out));
    if (access === null) throw new UsageError(`--out: no cluster is running in ${out}`);
    if (isAlive(access.launcherPid)) return access;
    throw new UsageError(
      `--out: no cluster is running in ${out} any more: its launcher, process ${access.launcherPid}, is gone`,
    );
  }
  const names = existsSync(runsFolder) ? readdirSync(runsFolder) : [];
  const running = names
    .map((name) => read(fileIn(join(runsFolder, name))))
    .filter((access) => access !== null)
    .filter((access) => isAlive(access.launcherPid))
    .sort((a, b) => b.startedMs - a.startedMs);
  const [newest] = running;
  if (newest === undefined)
    throw new UsageError(`no cluster is running in ${runsFolder}/: name the folder of its run by --out`);
  return newest;
}
