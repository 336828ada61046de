import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import type * as tfjsCpu from '@tensorflow/tfjs-backend-cpu';
import type * as tfjsWasm from '@tensorflow/tfjs-backend-wasm';
import type * as tfjsCore from '@tensorflow/tfjs-core';
import { messageOf, OperationalError } from '../../../proto/index.js';

export type TensorFlow = typeof tfjsCore;
export type TfjsBackend = 'wasm' | 'cpu' | 'tensorflow';

export interface LoadedBackend {
  readonly tf: TensorFlow;
  /** Packages and versions, and what the backend computes on where that is not plain. */
  readonly version: string;
}

/** What we use of @tensorflow/tfjs-node-gpu, an optional peer dependency whose types may not be there. */
interface NodeGpuPackage {
  readonly version: Readonly<Record<string, string>>;
  backend(): { readonly isUsingGpuDevice?: boolean; readonly binding?: { readonly TF_Version?: string } };
}

/** The packages are CommonJS and register themselves with one another's core: all are taken by `require`. */
const require = createRequire(import.meta.url);

/**
 * Loads TensorFlow.js and makes `backend` its current one. The current backend belongs to the whole thread: engines of
 * different backends in one thread select theirs again before each use.
 * Throws OperationalError('engine-unavailable') where the backend is not installed or does not come up.
 */
export async function loadBackend(
  backend: TfjsBackend,
  load: (name: string) => unknown = require,
): Promise<LoadedBackend> {
  try {
    const tf = load('@tensorflow/tfjs-core') as TensorFlow;
    // Without it, banners on standard error and a check of every result.
    tf.enableProdMode();
    // Its only use here: it registers the gradients of all operations, which the core's package leaves out.
    load('@tensorflow/tfjs-layers');
    const version = register(backend, load);
    if (!(await withoutNewListeners(() => tf.setBackend(backend)))) throw new Error('it does not initialise');
    return { tf, version: `tfjs-core ${tf.version_core}, ${version}` };
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    const [firstLine = ''] = messageOf(cause).split('\n');
    throw new OperationalError(
      'engine-unavailable',
      `TensorFlow.js's ${backend} backend does not load on ${process.platform}-${process.arch}: ${firstLine}`,
      { cause },
    );
  }
}

/**
 * The WebAssembly backend's loader listens for the process's uncaught exceptions and throws them again, which prints its
 * whole source text in front of every crash report. What a process does about them is not a library's to say.
 */
async function withoutNewListeners<T>(work: () => Promise<T>): Promise<T> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.listeners(event as 'uncaughtException'));
  try {
    return await work();
  } finally {
    events.forEach((event, i) => {
      for (const listener of process.listeners(event as 'uncaughtException')) {
        if (!before[i]?.includes(listener)) process.removeListener(event, listener);
      }
    });
  }
}

/** Loads the backend's package, which makes it known to the core; returns name and version. */
function register(backend: TfjsBackend, load: (name: string) => unknown): string {
  switch (backend) {
    case 'cpu': {
      const cpu = load('@tensorflow/tfjs-backend-cpu') as typeof tfjsCpu;
      return `tfjs-backend-cpu ${cpu.version_cpu}`;
    }
    case 'wasm': {
      const wasm = load('@tensorflow/tfjs-backend-wasm') as typeof tfjsWasm;
      wasm.setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
      // How work is split over threads changes the bits of sums.
      wasm.setThreadsCount(1);
      return `tfjs-backend-wasm ${wasm.version_wasm}`;
    }
    case 'tensorflow':
      return registerGpu(load('@tensorflow/tfjs-node-gpu') as NodeGpuPackage);
  }
}

/** libtensorflow computes on the CPU without a word when it finds no card or no CUDA libraries: that is no GPU engine. */
function registerGpu(nodeGpu: NodeGpuPackage): string {
  const { isUsingGpuDevice, binding } = nodeGpu.backend();
  if (isUsingGpuDevice !== true) {
    throw new OperationalError(
      'engine-unavailable',
      'libtensorflow found no GPU it can use and would compute on the CPU: it needs an NVIDIA GPU up to Ampere, ' +
        'CUDA 11.2 and cuDNN 8.1',
    );
  }
  return `tfjs-node-gpu ${nodeGpu.version['tfjs-node']} with libtensorflow ${binding?.TF_Version} on a GPU`;
}
