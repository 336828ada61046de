import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { GPU_QUERY, parseGpus } from './nvidia/index.js';
import type { NvidiaGpu } from './nvidia/index.js';

/** What probing asks of the machine, apart so that a test can be any machine. */
export interface ProbeHost {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  readonly nodeMajor: number;
  /** Path of a package's main module, undefined when it is not installed. */
  resolve(packageName: string): string | undefined;
  load(packageName: string): unknown;
  exists(path: string): boolean;
  /** Names in a folder; none when there is no such folder. */
  list(folder: string): string[];
  /** Name of what a symbolic link leads to; undefined when there is none. */
  linked(path: string): string | undefined;
  /** By nvidia-smi, which may take a second: to be asked only where there are signs of a card. */
  nvidiaGpus(): Promise<NvidiaGpu[]>;
}

const NVIDIA_SMI_MS = 10_000;
const require = createRequire(import.meta.url);

export const thisHost: ProbeHost = {
  platform: process.platform,
  arch: process.arch,
  nodeMajor: Number(process.versions.node.split('.')[0]),
  resolve(packageName) {
    try {
      return require.resolve(packageName);
    } catch {
      return undefined;
    }
  },
  load: (packageName) => require(packageName) as unknown,
  exists: existsSync,
  list(folder) {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  },
  linked(path) {
    try {
      return basename(readlinkSync(path));
    } catch {
      return undefined;
    }
  },
  async nvidiaGpus() {
    try {
      const { stdout } = await promisify(execFile)('nvidia-smi', [...GPU_QUERY], { timeout: NVIDIA_SMI_MS });
      return parseGpus(stdout);
    } catch {
      return [];
    }
  },
};
