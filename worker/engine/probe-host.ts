import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

export interface NvidiaGpu {
  readonly uuid: string;
  readonly name: string;
  /** CUDA's compute capability, major.minor: 8.6. */
  readonly computeCapability: number;
}

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
  async nvidiaGpus() {
    const query = ['--query-gpu=uuid,name,compute_cap', '--format=csv,noheader'];
    try {
      const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: NVIDIA_SMI_MS });
      return parseGpus(stdout);
    } catch {
      return [];
    }
  },
};

/** Lines of `uuid, name, compute capability`; others are left out. */
export function parseGpus(text: string): NvidiaGpu[] {
  return text.split('\n').flatMap((line) => {
    const [uuid, name, capability] = line.split(',').map((part) => part.trim());
    const computeCapability = Number(capability);
    return uuid && name && computeCapability > 0 ? [{ uuid, name, computeCapability }] : [];
  });
}
