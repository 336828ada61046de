import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, runCommand } from './command.js';
import { SourceError, type FetchContext, type NatsServerSource } from './source.js';

/** Debian 13, the oldest with a nats-server that is new enough; its program runs on older ones' libc too. */
const TRIXIE = { codename: 'trixie', release: 13 } as const;
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const QUERY_TIMEOUT_MS = 20_000;
const FETCH_TIMEOUT_MS = 180_000;

/**
 * Debian's package, unpacked and not installed: no root, no change to the system, no service started. apt itself
 * fetches it, so that the archive's signature and the package's checksum are checked, with package lists of its own in
 * the work folder, so that neither the machine's lists nor its sources are touched or needed.
 */
export const debianPackage: NatsServerSource = {
  name: "Debian's package",
  async fetch(context) {
    const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
    const debian = parseOsRelease(release);
    if (debian === null) throw new SourceError('this is not Debian');
    try {
      return await fetchPackage(debian, context);
    } catch (error) {
      if (error instanceof CommandError) throw new SourceError(error.message, { cause: error });
      throw error;
    }
  },
};

export interface DebianRelease {
  readonly codename: string;
  /** The suite to take nats-server from. */
  readonly suite: string;
}

/** Null when `/etc/os-release` is not that of a Debian. */
export function parseOsRelease(text: string): DebianRelease | null {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}="?([\\w.]+)"?$`, 'm').exec(text)?.[1];
  const codename = field('VERSION_CODENAME');
  if (field('ID') !== 'debian' || codename === undefined) return null;
  // Testing and unstable have no version; their mirrors hold trixie as well.
  const isRecent = Number(field('VERSION_ID') ?? 0) >= TRIXIE.release;
  return { codename, suite: isRecent ? codename : TRIXIE.codename };
}

/**
 * The mirror that the machine takes `codename` from, out of what `apt-get --print-uris update` prints; null when its
 * sources name none.
 */
export function mirrorOf(printedUris: string, codename: string): string | null {
  for (const line of printedUris.split('\n')) {
    const uri = /^'([^']+)'/.exec(line)?.[1];
    const end = `/dists/${codename}/InRelease`;
    if (uri !== undefined && /^https?:\/\//.test(uri) && uri.endsWith(end)) return uri.slice(0, -end.length);
  }
  return null;
}

async function fetchPackage(debian: DebianRelease, context: FetchContext): Promise<string> {
  const { workFolder } = context;
  const environment = { ...context.environment, LC_ALL: 'C' };
  const query = { timeoutMs: QUERY_TIMEOUT_MS, environment, signal: context.signal };
  for (const folder of ['lists/partial', 'cache/archives/partial', 'unpacked']) {
    await mkdir(join(workFolder, folder), { recursive: true });
  }
  const architecture = (await runCommand('dpkg', ['--print-architecture'], query)).trim();
  const lists = `Dir::State::Lists=${join(workFolder, 'lists')}`;
  // Printing the addresses works without lists and without root, unlike asking for the index targets.
  const mirror = mirrorOf(
    await runCommand('apt-get', ['--print-uris', '-o', lists, 'update'], query),
    debian.codename,
  );
  if (mirror === null) throw new SourceError(`apt's sources name no mirror for ${debian.codename}`);

  const signedBy = existsSync(KEYRING) ? ` signed-by=${KEYRING}` : '';
  await writeFile(
    join(workFolder, 'sources.list'),
    `deb [arch=${architecture}${signedBy}] ${mirror} ${debian.suite} main\n`,
  );
  const machine = await runCommand('apt-config', ['dump'], query);
  await writeFile(join(workFolder, 'apt.conf'), aptConfiguration(machine, workFolder));
  const apart = { ...query, timeoutMs: FETCH_TIMEOUT_MS, cwd: workFolder };
  const aptEnvironment = { ...environment, APT_CONFIG: join(workFolder, 'apt.conf') };
  context.onProgress(
    `fetching nats-server: Debian's package from ${debian.suite} (5 MB, and 10 MB for the list of packages), unpacked into the cache, not installed ...`,
  );
  // Without Error-Mode an unreachable mirror is a warning only, and the list stays empty.
  await runCommand('apt-get', ['-qq', '-o', 'APT::Update::Error-Mode=any', 'update'], {
    ...apart,
    environment: aptEnvironment,
  });
  await runCommand('apt-get', ['-qq', 'download', 'nats-server'], { ...apart, environment: aptEnvironment });
  const file = (await readdir(workFolder)).find((name) => name.endsWith('.deb'));
  if (file === undefined) throw new SourceError('apt-get download left no package');
  await runCommand('dpkg-deb', ['-x', file, 'unpacked'], apart);
  const path = ['usr/sbin', 'usr/bin']
    .map((folder) => join(workFolder, 'unpacked', folder, 'nats-server'))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) throw new SourceError('the package holds no nats-server');
  return path;
}

/**
 * An apt configuration that keeps the machine's ways of reaching a mirror (proxies, time-outs, certificates) and nothing
 * else of it: no preferences, no default release, no hooks, no sources, no shared folders.
 */
export function aptConfiguration(machineDump: string, workFolder: string): string {
  const kept = machineDump
    .split('\n')
    .filter((line) => /^Acquire::/i.test(line) && !/^Acquire::Languages/i.test(line));
  return [
    ...kept,
    'Dir::Etc::Main "/dev/null";',
    'Dir::Etc::Parts "/dev/null";',
    'Dir::Etc::Preferences "/dev/null";',
    'Dir::Etc::PreferencesParts "/dev/null";',
    'Dir::Etc::SourceParts "/dev/null";',
    `Dir::Etc::SourceList "${join(workFolder, 'sources.list')}";`,
    `Dir::State::Lists "${join(workFolder, 'lists')}";`,
    `Dir::Cache "${join(workFolder, 'cache')}";`,
    'Acquire::Languages "none";',
    // As root apt would fetch as another user, who may not write here.
    'APT::Sandbox::User "root";',
    '',
  ].join('\n');
}
