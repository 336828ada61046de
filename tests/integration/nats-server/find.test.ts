import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findNatsServer, type NatsServerSource } from '../../../deploy/nats-server/index.js';
import { debianPackage } from '../../../deploy/nats-server/debian-package.js';
import { goPlatform, releaseArchive } from '../../../deploy/nats-server/release-archive.js';
import { SourceError } from '../../../deploy/nats-server/source.js';
import { UsageError } from '../../../proto/index.js';

const PLATFORM = goPlatform(process.platform, process.arch);

let folder = '';
let cacheFolder = '';
let lines: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'find-nats-'));
  cacheFolder = join(folder, 'cache');
  lines = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/**
 * A program that says it is nats-server of `version`. A shell writes it: a file that this process has open for writing
 * cannot be run, and a child being forked at that moment would have it open too.
 */
async function pretender(path: string, version: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const script = `#!/bin/sh\necho "nats-server: v${version}"`;
  execFileSync('sh', ['-c', 'printf "%s\\n" "$2" > "$1" && chmod 755 "$1"', 'sh', path, script]);
  return path;
}

const cached = (): string => join(cacheFolder, 'nats-server', PLATFORM, 'nats-server');
const find = (
  environment: NodeJS.ProcessEnv,
  sources: NatsServerSource[] = [],
): ReturnType<typeof findNatsServer> =>
  findNatsServer({ environment, cacheFolder, sources, onProgress: (line) => lines.push(line) });

/** A source that makes a pretender in its work folder. */
const making = (version: string, name = 'a source'): NatsServerSource => ({
  name,
  fetch: (context) => {
    context.onProgress(`fetching from ${name}`);
    return pretender(join(context.workFolder, 'deep', 'nats-server'), version);
  },
});
const failing: NatsServerSource = {
  name: 'a broken source',
  fetch: () => Promise.reject(new SourceError('no network')),
};

async function usageError(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'nothing thrown',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).message).not.toContain('\n');
  return (error as UsageError).message;
}

describe('findNatsServer', () => {
  it('takes the one that was named, then PATH, then the cache, then a source', async () => {
    const named = await pretender(join(folder, 'named'), '2.11.1');
    const inPath = await pretender(join(folder, 'bin', 'nats-server'), '2.10.1');
    await pretender(cached(), '2.10.2');
    const environment = { PATH: `${join(folder, 'none')}:${join(folder, 'bin')}` };
    const source = making('2.10.3');
    expect(await find({ ...environment, GAN_NATS_SERVER: named }, [source])).toEqual({
      path: named,
      version: '2.11.1',
      from: 'GAN_NATS_SERVER',
    });
    expect(await find(environment, [source])).toEqual({ path: inPath, version: '2.10.1', from: 'PATH' });
    await rm(inPath);
    expect(await find(environment, [source])).toEqual({ path: cached(), version: '2.10.2', from: 'cache' });
    await rm(cached());
    expect(lines).toEqual([]);
    expect(await find(environment, [failing, source])).toEqual({
      path: cached(),
      version: '2.10.3',
      from: 'a source',
    });
    expect(lines).toEqual(['fetching from a source']);
    expect(await find(environment)).toEqual({ path: cached(), version: '2.10.3', from: 'cache' });
    expect(await readdir(dirname(cached()))).toEqual(['nats-server']);
  });

  it('passes over one in PATH that is too old, as that of Debian 12, and says so', async () => {
    const old = await pretender(join(folder, 'bin', 'nats-server'), '2.9.10');
    const good = await pretender(join(folder, 'bin2', 'nats-server'), '2.10.27');
    const PATH = `${join(folder, 'bin')}:${join(folder, 'bin2')}`;
    expect(await find({ PATH })).toEqual({ path: good, version: '2.10.27', from: 'PATH' });
    expect(lines).toEqual([`passing over ${old}: it is 2.9.10, 2.10 or newer is needed`]);
  });

  it('passes over what is no nats-server in PATH and in the cache', async () => {
    const odd = join(folder, 'bin', 'nats-server');
    for (const path of [odd, cached()]) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    }
    expect((await find({ PATH: dirname(odd) }, [making('2.11.0')])).from).toBe('a source');
    expect(lines[0]).toMatch(
      /^passing over .*bin\/nats-server: it is of no use: .* failed \(exit status 3\)$/,
    );
  });

  it.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    [
      'missing',
      () => Promise.resolve(),
      /^GAN_NATS_SERVER: a nats-server 2\.10 or newer was expected, but there is no /,
    ],
    ['not executable', (path) => writeFile(path, ''), /but .* is not executable$/],
    ['too old', (path) => pretender(path, '2.9.10'), /but .* is 2\.9\.10$/],
    [
      'another program',
      (path) => writeFile(path, '#!/bin/sh\necho hello', { mode: 0o755 }),
      /does not speak like nats-server$/,
    ],
  ])('refuses one that was named and is %s, without looking further', async (_, make, words) => {
    const path = join(folder, 'named');
    await make(path);
    await pretender(cached(), '2.10.2');
    expect(await usageError(find({ GAN_NATS_SERVER: path }, [making('2.10.3')]))).toMatch(words);
  });

  it('says in one line what was tried and how to get one', async () => {
    const message = await usageError(find({ PATH: '' }, [failing, making('2.9.10', 'an old source')]));
    expect(message).toContain('(a broken source: no network; an old source: it is 2.9.10 only)');
    expect(message).toMatch(/^nats-server 2\.10 or newer was not found in PATH, and could not be fetched/);
    expect(message).toMatch(/GAN_NATS_SERVER, or a running one by --nats-url$/);
    expect(await readdir(dirname(cached()))).toEqual([]);
  });

  it('says what to do about a cache that cannot be written to', async () => {
    await writeFile(cacheFolder, 'a file');
    expect(await usageError(find({ PATH: '' }, [making('2.10.3')]))).toMatch(
      /name another cache folder by GAN_CACHE_DIR$/,
    );
  });

  it('is whole when several fetch at once', async () => {
    const found = await Promise.all([1, 2, 3].map((n) => find({ PATH: '' }, [making(`2.10.${n}`)])));
    expect(found.map(({ path }) => path)).toEqual([cached(), cached(), cached()]);
    expect(await readdir(dirname(cached()))).toEqual(['nats-server']);
    expect((await find({ PATH: '' })).from).toBe('cache');
  });

  it('stops when it is interrupted', async () => {
    const options = { environment: { PATH: '' }, cacheFolder, signal: AbortSignal.abort() };
    await expect(findNatsServer({ ...options, sources: [making('2.10.3')] })).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(await readdir(dirname(cached()))).toEqual([]);
  });
});

describe('the official release', () => {
  let server: Server;
  let archive: Buffer;
  let baseUrl = '';
  beforeEach(async () => {
    const stem = `nats-server-v2.11.99-${PLATFORM}`;
    await pretender(join(folder, 'made', stem, 'nats-server'), '2.11.99');
    await writeFile(join(folder, 'made', stem, 'LICENSE'), 'x');
    execFileSync('tar', ['-czf', '../archive', stem], { cwd: join(folder, 'made') });
    archive = await readFile(join(folder, 'archive'));
    server = createServer((request, response) => {
      if (request.url === `/v2.11.99/${stem}.tar.gz`) response.end(archive);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2.11.99/`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const release = (version: string, sha256: string, platform = PLATFORM): NatsServerSource =>
    releaseArchive({ version, baseUrl, sha256: { [platform]: sha256 } }, PLATFORM);
  const sha256 = (): string => createHash('sha256').update(archive).digest('hex');

  it('is fetched, checked and unpacked into the cache', async () => {
    const found = await find({ PATH: '' }, [release('2.11.99', sha256())]);
    expect(found).toEqual({ path: cached(), version: '2.11.99', from: 'the official release' });
    expect(lines[0]).toMatch(/^fetching nats-server 2\.11\.99 from 127\.0\.0\.1:/);
  });

  it('is refused with another checksum, when it is not there, and for a platform without one', async () => {
    const wrong = 'f'.repeat(64);
    expect(await usageError(find({ PATH: '' }, [release('2.11.99', wrong)]))).toContain(`found ${sha256()}`);
    expect(await usageError(find({ PATH: '' }, [release('2.0.0', wrong)]))).toContain('HTTP 404');
    const other = release('2.11.99', sha256(), 'plan9-mips');
    expect(await usageError(find({ PATH: '' }, [other]))).toContain(`no checksum is pinned for ${PLATFORM}`);
    expect(await readdir(dirname(cached()))).toEqual([]);
  });
});

// Debian's mirror is on the network, which other tests do without.
describe.skipIf(process.env['GAN_TEST_NETWORK'] !== '1')(
  "Debian's package (needs GAN_TEST_NETWORK=1)",
  () => {
    it('is fetched by two at once, without root and beside the lists of the machine', async () => {
      const [one, two] = await Promise.all(
        [1, 2].map(() => find({ PATH: process.env['PATH'] }, [debianPackage])),
      );
      expect(one?.from).toBe("Debian's package");
      expect(two?.version).toBe(one?.version);
      expect(await readdir(dirname(cached()))).toEqual(['nats-server']);
    }, 120_000);
  },
);
