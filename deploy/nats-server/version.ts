import { CommandError, runCommand } from './command.js';

export interface NatsServerVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** `sync_interval`, without which a checkpoint may be lost in a power cut, came with 2.10. */
export const OLDEST_VERSION: NatsServerVersion = { major: 2, minor: 10, patch: 0 };

const PROBE_TIMEOUT_MS = 10_000;

/** What `nats-server --version` prints, e.g. `nats-server: v2.10.27`; null when it is something else. */
export function parseVersion(output: string): NatsServerVersion | null {
  const match = /nats-server:? v?(\d{1,5})\.(\d{1,5})\.(\d{1,5})/.exec(output);
  return match === null
    ? null
    : { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
}

export const formatVersion = (version: NatsServerVersion): string =>
  `${version.major}.${version.minor}.${version.patch}`;

export function isNewEnough(version: NatsServerVersion): boolean {
  const { major, minor } = OLDEST_VERSION;
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** What asking a binary for its version gives. */
export type Probe =
  | { readonly kind: 'usable'; readonly version: string }
  | { readonly kind: 'too-old'; readonly version: string }
  | { readonly kind: 'unusable'; readonly reason: string };

/** Runs `path --version`. Throws OperationalError('aborted') only. */
export async function probeNatsServer(path: string, signal?: AbortSignal): Promise<Probe> {
  let output: string;
  try {
    output = await runCommand(path, ['--version'], { timeoutMs: PROBE_TIMEOUT_MS, signal });
  } catch (error) {
    if (error instanceof CommandError) return { kind: 'unusable', reason: error.message };
    throw error;
  }
  const version = parseVersion(output);
  if (version === null)
    return { kind: 'unusable', reason: `${path} --version does not speak like nats-server` };
  return { kind: isNewEnough(version) ? 'usable' : 'too-old', version: formatVersion(version) };
}
