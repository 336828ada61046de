import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { CommandError, runCommand } from '../../deploy/nats-server/command.js';
import { messageOf } from '../../proto/index.js';
import { cacheFolder } from '../../proto/runtime/cache-folder.js';

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

const VARIABLES = { prometheus: 'PROMETHEUS_PATH', promtool: 'PROMTOOL_PATH' } as const;
const FETCH_TIMEOUT_MS = 240_000;

/**
 * Where Prometheus and promtool are: named by PROMETHEUS_PATH and PROMTOOL_PATH, else on the PATH, else Debian's package. That
 * is unpacked into the cache and not installed, since its installation would start a server of its own.
 */
export async function findPrometheus(environment: NodeJS.ProcessEnv): Promise<PrometheusPrograms> {
  const named = programsNamed(environment);
  if (named !== null) return named;
  const kept = join(cacheFolder(environment), 'prometheus-debian');
  if (!existsSync(join(kept, 'usr/bin/promtool'))) await fetchPackage(kept);
  return programsIn(join(kept, 'usr/bin'));
}

const programsIn = (folder: string): PrometheusPrograms => ({
  prometheus: join(folder, 'prometheus'),
  promtool: join(folder, 'promtool'),
});

function programsNamed(environment: NodeJS.ProcessEnv): PrometheusPrograms | null {
  const find = (name: keyof PrometheusPrograms): string | undefined => {
    const own = environment[VARIABLES[name]];
    if (own !== undefined && own !== '') return own;
    const folders = (environment['PATH'] ?? '').split(delimiter);
    return folders.map((folder) => join(folder, name)).find(isProgram);
  };
  const prometheus = find('prometheus');
  const promtool = find('promtool');
  return prometheus === undefined || promtool === undefined ? null : { prometheus, promtool };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function fetchPackage(into: string): Promise<void> {
  mkdirSync(join(into, '..'), { recursive: true });
  const work = mkdtempSync(`${into}-`);
  const run = (command: string, ...args: string[]): Promise<string> =>
    runCommand(command, args, { cwd: work, timeoutMs: FETCH_TIMEOUT_MS, environment: process.env });
  const unpack = async (): Promise<void> => {
    const files = readdirSync(work).filter((name) => name.endsWith('.deb'));
    if (files.length === 0) throw new CommandError('apt-get download left no package');
    for (const file of files) await run('dpkg-deb', '-x', file, 'unpacked');
  };
  const download = (name: string): Promise<string> => run('apt-get', '-qq', 'download', name);
  try {
    process.stdout.write("fetching Prometheus: Debian's package, unpacked into the cache ...\n");
    // The machine's package lists may be absent or old; only root may renew them.
    await download('prometheus').catch(() =>
      run('apt-get', '-qq', 'update').then(() => download('prometheus')),
    );
    await unpack();
    // From Debian 13 on it is a package of its own.
    if (!existsSync(join(work, 'unpacked/usr/bin/promtool'))) {
      await download('promtool');
      await unpack();
    }
    renameSync(join(work, 'unpacked'), into);
  } catch (error) {
    throw new Error(
      `no Prometheus on the PATH, and Debian's package could not be had (${messageOf(error)}): install prometheus, or name PROMETHEUS_PATH and PROMTOOL_PATH`,
      { cause: error },
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
