import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DownloadError, download, hostOf } from '../../proto/runtime/download.js';
import { CommandError, runCommand } from './command.js';
import { SourceError, type FetchContext, type NatsServerSource } from './source.js';

/** A release of nats-server with the SHA-256 of its archives, from the release's own SHA256SUMS. */
export interface PinnedRelease {
  readonly version: string;
  /** Where the archives lie, with a slash at the end. */
  readonly baseUrl: string;
  /** By platform, `linux-amd64`. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** The Linux checksums are also those that Docker's official image of this release is built with. */
export const PINNED_RELEASE: PinnedRelease = {
  version: '2.11.8',
  baseUrl: 'https://github.com/nats-io/nats-server/releases/download/v2.11.8/',
  sha256: {
    'linux-amd64': '397a6deffb5533e160de0cca322bc3dcaec7fb7282d66a3dfa87a9c183152ad1',
    'linux-arm64': 'b08936cb1dc0ae7086137bda14c352df64397c4af45ed2b392705c19585aeb84',
  },
};

const MAX_ARCHIVE_BYTES = 64 << 20;
const CONNECT_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_MS = 15_000;
const UNPACK_TIMEOUT_MS = 60_000;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Go's name of a platform, as the archives are named. */
export const goPlatform = (platform: string, architecture: string): string =>
  `${platform}-${ARCHITECTURES[architecture] ?? architecture}`;

/** The official release archive, pinned: nothing is unpacked before its SHA-256 is checked. */
export function releaseArchive(
  release: PinnedRelease = PINNED_RELEASE,
  platform: string = goPlatform(process.platform, process.arch),
): NatsServerSource {
  return {
    name: 'the official release',
    async fetch(context) {
      const sha256 = release.sha256[platform];
      if (sha256 === undefined) throw new SourceError(`no checksum is pinned for ${platform}`);
      const stem = `nats-server-v${release.version}-${platform}`;
      const url = `${release.baseUrl}${stem}.tar.gz`;
      const archive = join(context.workFolder, 'archive.tar.gz');
      try {
        context.onProgress(`fetching nats-server ${release.version} from ${hostOf(url)} (about 6 MB) ...`);
        await fetchArchive(url, archive, sha256, context);
        const { workFolder: cwd, signal } = context;
        await runCommand('tar', ['-xzf', archive, `${stem}/nats-server`], {
          timeoutMs: UNPACK_TIMEOUT_MS,
          cwd,
          signal,
        });
      } catch (error) {
        if (!(error instanceof DownloadError || error instanceof CommandError)) throw error;
        throw new SourceError(`${hostOf(url)}: ${error.message}`, { cause: error });
      }
      return join(context.workFolder, stem, 'nats-server');
    },
  };
}

async function fetchArchive(url: string, path: string, sha256: string, context: FetchContext): Promise<void> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    const pieces = download({
      url,
      maxBytes: MAX_ARCHIVE_BYTES,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      stallTimeoutMs: STALL_TIMEOUT_MS,
      signal: context.signal,
    });
    for await (const piece of pieces) {
      hash.update(piece);
      await file.writeFile(piece);
    }
  } finally {
    await file.close();
  }
  const found = hash.digest('hex');
  if (found !== sha256)
    throw new DownloadError(`wrong checksum (SHA-256 ${sha256} was expected, found ${found})`);
}
