import { dirname, join } from 'node:path';
import { messageOf } from '../../proto/index.js';
import { ENGINE_NAMES, NEVER_ON_HARDWARE } from './engine.js';
import type { EngineName } from './engine.js';
import { loadOnnxRuntime } from './onnx-runtime.js';
import { visibleGpus } from './nvidia/index.js';
import type { NvidiaGpu } from './nvidia/index.js';
import type { OnnxRuntime } from './onnx-runtime.js';
import { thisHost } from './probe-host.js';
import type { ProbeHost } from './probe-host.js';
import { vulkanTrouble } from './vulkan-driver.js';

export interface EngineProbe {
  readonly name: EngineName;
  readonly usable: boolean;
  /** What was found, in words: one line. */
  readonly reason: string;
  /** UUIDs of the NVIDIA GPUs that it can use here, one worker each; none for an engine that is not leased a card. */
  readonly devices: readonly string[];
}

type Finding = Omit<EngineProbe, 'name'>;
const usable = (reason: string, gpus: readonly NvidiaGpu[] = []): Finding => ({
  usable: true,
  reason,
  devices: gpus.map(({ uuid }) => uuid),
});
const unusable = (reason: string): Finding => ({ usable: false, reason, devices: [] });

const untried = (name: EngineName): string =>
  NEVER_ON_HARDWARE.includes(name) ? '; never yet tried on hardware' : '';

/**
 * Says of each engine whether it could run here. Cheap: looks for packages, libraries and devices, and loads the one
 * native library that the default needs; some 20 ms without a GPU. An engine found usable may still fail to start.
 * @param environment of the process that the engine will run in
 */
export async function probeEngines(
  environment: NodeJS.ProcessEnv,
  host: ProbeHost = thisHost,
): Promise<EngineProbe[]> {
  const onnx = probeOnnxRuntime(host);
  const cards = nvidiaCards(environment, host);
  const findings: Readonly<Record<EngineName, () => Finding | Promise<Finding>>> = {
    'onnx-cpu': () => onnx.finding,
    'onnx-cuda': () => probeOnnxCuda(host, onnx, cards),
    'onnx-webgpu': () => probeOnnxWebGpu(environment, host, onnx),
    'tfjs-tensorflow': () => probeTensorFlow(host, cards),
    'tfjs-wasm': () => probePackage(host, '@tensorflow/tfjs-backend-wasm', 'WebAssembly backend'),
    'tfjs-cpu': () => probePackage(host, '@tensorflow/tfjs-backend-cpu', 'plain JavaScript backend'),
  };
  return Promise.all(ENGINE_NAMES.map(async (name) => ({ name, ...(await findings[name]()) })));
}

interface OnnxProbe {
  readonly finding: Finding;
  readonly runtime?: OnnxRuntime;
}

function probeOnnxRuntime(host: ProbeHost): OnnxProbe {
  try {
    const runtime = loadOnnxRuntime(() => host.load('onnxruntime-node') as OnnxRuntime);
    return {
      finding: usable(`ONNX Runtime ${runtime.env.versions.node ?? ''} on the CPU, one thread`),
      runtime,
    };
  } catch (error) {
    return { finding: unusable(messageOf(error)) };
  }
}

/** The host's NVIDIA GPUs. */
interface Cards {
  /** Why there can be none, in words: found without asking nvidia-smi, which may take a second. */
  readonly missing: string | undefined;
  /** Those that CUDA may see, or why there are none; asked once for all engines. */
  find(): Promise<NvidiaGpu[] | string>;
}

async function probeOnnxCuda(host: ProbeHost, onnx: OnnxProbe, cards: Cards): Promise<Finding> {
  if (!onnx.finding.usable) return onnx.finding;
  if (host.platform !== 'linux' || host.arch !== 'x64') {
    return unusable(`onnxruntime-node has CUDA for linux-x64, not for ${host.platform}-${host.arch}`);
  }
  const library = 'libonnxruntime_providers_cuda.so';
  if (cards.missing !== undefined) return unusable(cards.missing);
  if (!nativeFolders(host).some((folder) => host.exists(join(folder, library)))) {
    return unusable(
      `ONNX Runtime's CUDA files are not installed (${library}): ` +
        'run `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`',
    );
  }
  const gpus = await cards.find();
  if (typeof gpus === 'string') return unusable(gpus);
  return usable(`ONNX Runtime on ${gpuNames(gpus)} by CUDA${untried('onnx-cuda')}`, gpus);
}

function probeOnnxWebGpu(environment: NodeJS.ProcessEnv, host: ProbeHost, onnx: OnnxProbe): Finding {
  if (!onnx.finding.usable) return onnx.finding;
  const backends = onnx.runtime?.listSupportedBackends() ?? [];
  if (!backends.some(({ name }) => name === 'webgpu')) {
    return unusable(`this build of ONNX Runtime has no WebGPU on ${host.platform}-${host.arch}`);
  }
  const trouble = host.platform === 'linux' ? vulkanTrouble(environment, host) : undefined;
  if (trouble !== undefined) return unusable(trouble);
  return usable(`ONNX Runtime on a GPU by WebGPU${untried('onnx-webgpu')}`);
}

/** The newest cards that CUDA 11.2 compiles for are Ampere's: 8.0, 8.6, 8.7. Ada begins at 8.9. */
const AFTER_AMPERE = 8.9;

async function probeTensorFlow(host: ProbeHost, cards: Cards): Promise<Finding> {
  if (host.resolve('@tensorflow/tfjs-node-gpu') === undefined) {
    return unusable(
      '@tensorflow/tfjs-node-gpu is not installed: `npm install @tensorflow/tfjs-node-gpu@4.22.0`',
    );
  }
  if (host.platform !== 'linux' || host.arch !== 'x64') {
    return unusable(`tfjs-node-gpu is for linux-x64, not for ${host.platform}-${host.arch}`);
  }
  if (host.nodeMajor >= 23) {
    return unusable(
      `tfjs-node-gpu 4.22.0 calls what Node ${host.nodeMajor} no longer has: use Node 20 or 22`,
    );
  }
  const gpus = await cards.find();
  if (typeof gpus === 'string') return unusable(gpus);
  const known = gpus.filter(({ computeCapability }) => computeCapability < AFTER_AMPERE);
  if (known.length === 0)
    return unusable(`libtensorflow 2.9 knows NVIDIA GPUs up to Ampere, not ${gpuNames(gpus)}`);
  return usable(`libtensorflow on ${gpuNames(known)} by CUDA 11.2${untried('tfjs-tensorflow')}`, known);
}

/** Like `NVIDIA A100` or `4 x NVIDIA A100, NVIDIA H200`. */
function gpuNames(gpus: readonly NvidiaGpu[]): string {
  const names = [...new Set(gpus.map(({ name }) => name))];
  const counted = names.map((name) => {
    const count = gpus.filter((gpu) => gpu.name === name).length;
    return count === 1 ? name : `${count} x ${name}`;
  });
  return counted.join(', ');
}

function probePackage(host: ProbeHost, packageName: string, what: string): Finding {
  if (host.resolve(packageName) === undefined)
    return unusable(`${packageName} is not installed: run \`npm ci\``);
  return usable(`TensorFlow.js, ${what}: slow, for comparison`);
}

function nvidiaCards(environment: NodeJS.ProcessEnv, host: ProbeHost): Cards {
  const visible = environment['CUDA_VISIBLE_DEVICES'];
  const missing = missingNvidia(visible, host);
  const ask = async (): Promise<NvidiaGpu[] | string> => {
    if (missing !== undefined) return missing;
    const gpus = await host.nvidiaGpus();
    if (gpus.length === 0)
      return 'nvidia-smi names no GPU: a container needs NVIDIA_DRIVER_CAPABILITIES=compute,utility';
    const shown = visibleGpus(gpus, visible);
    if (shown.length > 0) return shown;
    return `CUDA_VISIBLE_DEVICES="${visible}" names none of this host's GPUs (nvidia-smi -L)`;
  };
  let answer: ReturnType<typeof ask> | undefined;
  return { missing, find: () => (answer ??= ask()) };
}

/** Why no NVIDIA GPU can be used; undefined when one may be. */
function missingNvidia(visible: string | undefined, host: ProbeHost): string | undefined {
  if (visible !== undefined && (visible.trim() === '' || visible.trim().startsWith('-'))) {
    return `CUDA_VISIBLE_DEVICES="${visible}" hides every GPU`;
  }
  const devices = ['/dev/nvidiactl', '/dev/dxg']; // the driver's, and that of Windows's Linux
  return devices.some((device) => host.exists(device))
    ? undefined
    : 'no NVIDIA GPU is visible (/dev/nvidiactl): install its driver; a container has to be given its GPUs';
}

/** Where onnxruntime-node keeps its native libraries for this platform: bin/napi-v6/linux/x64. */
function nativeFolders(host: ProbeHost): string[] {
  const main = host.resolve('onnxruntime-node'); // dist/index.js
  if (main === undefined) return [];
  const binaries = join(dirname(main), '..', 'bin');
  return host.list(binaries).map((version) => join(binaries, version, host.platform, host.arch));
}
