import { accessSync, constants, statSync } from 'node:fs';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { OperationalError, UsageError, messageOf } from '../../proto/index.js';
import { partPath, removeAbandonedParts } from '../../proto/runtime/whole-file.js';
import { debianPackage } from './debian-package.js';
import { goPlatform, releaseArchive } from './release-archive.js';
import { SourceError, type NatsServerSource } from './source.js';
import { OLDEST_VERSION, probeNatsServer } from './version.js';

export interface FindOptions {
  /** GAN_NATS_SERVER and PATH are read from it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly cacheFolder: string;
  /** Called with lines fit to show a user: what was passed over and what is fetched. */
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where a missing one is fetched from, in this order; none to look on this machine only. */
  readonly sources?: readonly NatsServerSource[] | undefined;
  readonly nowMs?: (() => number) | undefined;
}

export interface FoundNatsServer {
  readonly path: string;
  readonly version: string;
  /** `GAN_NATS_SERVER`, `PATH`, `cache` or the name of the source it was fetched from. */
  readonly from: string;
}

const NEEDED = `${OLDEST_VERSION.major}.${OLDEST_VERSION.minor} or newer`;

/**
 * A nats-server that is new enough: the one that GAN_NATS_SERVER names, else from PATH, from the cache, else fetched
 * into the cache. Processes that fetch at once do not disturb each other. Throws UsageError with one line that says what
 * was tried and how to get one, or OperationalError('aborted').
 */
export async function findNatsServer(options: FindOptions): Promise<FoundNatsServer> {
  const named = options.environment['GAN_NATS_SERVER'];
  if (named) return namedServer(named, options.signal);
  const cached = join(
    options.cacheFolder,
    'nats-server',
    goPlatform(process.platform, process.arch),
    'nats-server',
  );
  return (
    (await fromPath(options)) ??
    (await probed(cached, 'cache', options.signal)) ??
    (await fetchInto(cached, options))
  );
}

async function namedServer(path: string, signal: AbortSignal | undefined): Promise<FoundNatsServer> {
  const probe = await probeNatsServer(path, signal);
  if (probe.kind === 'usable') return { path, version: probe.version, from: 'GAN_NATS_SERVER' };
  const found = probe.kind === 'too-old' ? `${path} is ${probe.version}` : probe.reason;
  throw new UsageError(`GAN_NATS_SERVER: a nats-server ${NEEDED} was expected, but ${found}`);
}

async function fromPath(options: FindOptions): Promise<FoundNatsServer | null> {
  for (const folder of (options.environment['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'nats-server');
    if (folder === '' || !isExecutableFile(path)) continue;
    const probe = await probeNatsServer(path, options.signal);
    if (probe.kind === 'usable') return { path, version: probe.version, from: 'PATH' };
    const why =
      probe.kind === 'too-old' ? `is ${probe.version}, ${NEEDED} is needed` : `is of no use: ${probe.reason}`;
    options.onProgress?.(`passing over ${path}: it ${why}`);
  }
  return null;
}

async function probed(
  path: string,
  from: string,
  signal: AbortSignal | undefined,
): Promise<FoundNatsServer | null> {
  if (!isExecutableFile(path)) return null;
  const probe = await probeNatsServer(path, signal);
  return probe.kind === 'usable' ? { path, version: probe.version, from } : null;
}

async function fetchInto(cached: string, options: FindOptions): Promise<FoundNatsServer> {
  const failures: string[] = [];
  const sources = options.sources ?? [debianPackage, releaseArchive()];
  try {
    await mkdir(dirname(cached), { recursive: true });
    await removeAbandonedParts(dirname(cached), (options.nowMs ?? Date.now)());
    for (const source of sources) {
      try {
        return await fetchFrom(source, cached, options);
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
        failures.push(`${source.name}: ${error.message}`);
      }
    }
  } catch (error) {
    if (error instanceof OperationalError) throw error;
    throw new UsageError(
      `nats-server cannot be kept in ${dirname(cached)} (${messageOf(error)}): name another cache folder by GAN_CACHE_DIR`,
    );
  }
  const tried = failures.length === 0 ? '' : `, and could not be fetched (${failures.join('; ')})`;
  throw new UsageError(
    `nats-server ${NEEDED} was not found in PATH${tried}: ${howToGet(process.platform)}, name one by GAN_NATS_SERVER, or a running one by --nats-url`,
  );
}

async function fetchFrom(
  source: NatsServerSource,
  cached: string,
  options: FindOptions,
): Promise<FoundNatsServer> {
  const workFolder = partPath(cached);
  await mkdir(workFolder);
  try {
    const path = await source.fetch({
      workFolder,
      environment: options.environment,
      onProgress: options.onProgress ?? ((): void => undefined),
      signal: options.signal,
    });
    await chmod(path, 0o755);
    const probe = await probeNatsServer(path, options.signal);
    if (probe.kind === 'too-old') throw new SourceError(`it is ${probe.version} only`);
    if (probe.kind === 'unusable') throw new SourceError(probe.reason);
    // A process that runs the one it replaces keeps it; one that fetched the same at once loses nothing.
    await rename(path, cached);
    return { path: cached, version: probe.version, from: source.name };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

function howToGet(platform: NodeJS.Platform): string {
  if (platform === 'darwin') return 'run brew install nats-server';
  return 'install it (Debian 13: apt install nats-server; others: https://github.com/nats-io/nats-server/releases)';
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
