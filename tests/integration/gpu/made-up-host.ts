import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = resolve(import.meta.dirname, '../../..');

/** The cards that the made-up nvidia-smi tells of, in its order. */
export const CARDS = ['GPU-0a', 'GPU-1b', 'GPU-2c', 'GPU-3d'] as const;

const NVIDIA_SMI = `#!/bin/sh
# Made up: a host with four cards.
cat <<'END'
${CARDS.map((uuid) => `${uuid}, NVIDIA A100, 8.0`).join('\n')}
END
`;

/** Makes a process believe that there is NVIDIA's device file. */
const DEVICE_FILE = `import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { existsSync } = fs;
fs.existsSync = (path) => path === '/dev/nvidiactl' || existsSync(path);
syncBuiltinESMExports();
`;

/** Stands in for @tensorflow/tfjs-node-gpu: computes on the CPU, and says that it does so on a GPU. */
const TFJS_NODE_GPU = `const core = require(${JSON.stringify(join(ROOT, 'node_modules/@tensorflow/tfjs-core'))});
const cpu = require(${JSON.stringify(join(ROOT, 'node_modules/@tensorflow/tfjs-backend-cpu'))});
core.registerBackend('tensorflow', () => new cpu.MathBackendCPU());
core.copyRegisteredKernels('cpu', 'tensorflow');
module.exports = {
  version: { 'tfjs-node': '4.22.0' },
  backend: () => ({ isUsingGpuDevice: true, binding: { TF_Version: '2.9.1' } }),
};
`;

/**
 * A Linux host with four NVIDIA GPUs, as far as a process can tell that is started with the environment which is returned.
 * Made up are nvidia-smi, the device file and libtensorflow's package. All else is real: the processes, their environments,
 * NATS, the coordinator and what it leases.
 */
export function madeUpHost(folder: string): NodeJS.ProcessEnv {
  const put = (path: string, text: string): string => {
    const file = join(folder, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  chmodSync(put('bin/nvidia-smi', NVIDIA_SMI), 0o755);
  put('modules/@tensorflow/tfjs-node-gpu/index.js', TFJS_NODE_GPU);
  const preload = put('device-file.mjs', DEVICE_FILE);
  return {
    PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
    NODE_PATH: join(folder, 'modules'),
    NODE_OPTIONS: `--import ${pathToFileURL(preload).href}`,
    // What the machine that the test runs on has does not matter.
    CUDA_VISIBLE_DEVICES: undefined,
  };
}

export interface EngineProcess {
  readonly pid: number;
  /** Of the worker that it computes for. */
  readonly parent: number;
  readonly worker: string;
  /** Of the variables by which CUDA and TensorFlow are told what to do. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The engines' processes that this process, or a process that it started, has started. */
export function enginesBelow(pid: number): EngineProcess[] {
  const below = childrenOf(pid).flatMap((child) => [child, ...childrenOf(child)]);
  return below.flatMap((child) => {
    try {
      const command = readFileSync(`/proc/${child}/cmdline`, 'utf8');
      if (!command.includes('engine-process-main')) return [];
      const parent = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1]);
      const started = readFileSync(`/proc/${parent}/cmdline`, 'utf8').split('\0');
      const worker = started[started.indexOf('--worker-id') + 1] ?? '';
      const variables = readFileSync(`/proc/${child}/environ`, 'utf8').split('\0');
      const named = variables.filter((text) => /^(CUDA|NVIDIA|TF)_/.test(text));
      const environment = Object.fromEntries(
        named.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
      );
      return [{ pid: child, parent, worker, environment }];
    } catch {
      return []; // it has just ended
    }
  });
}

/** Also those that a thread of the process has started. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}
