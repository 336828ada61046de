import { dirname, join } from 'node:path';
import { messageOf } from '../../proto/index.js';
import { ENGINE_NAMES } from './engine.js';
import type { EngineName } from './engine.js';
import { loadOnnxRuntime } from './onnx-runtime.js';
import type { OnnxRuntime } from './onnx-runtime.js';
import { thisHost } from './probe-host.js';
import type { ProbeHost } from './probe-host.js';

export interface EngineProbe {
  readonly name: EngineName;
  readonly usable: boolean;
  /** What was found, in words: one line. */
  readonly reason: string;
}

type Finding = Omit<EngineProbe, 'name'>;
const usable = (reason: string): Finding => ({ usable: true, reason });
const unusable = (reason: string): Finding => ({ usable: false, reason });

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
  const findings: Readonly<Record<EngineName, () => Finding | Promise<Finding>>> = {
    'onnx-cpu': () => onnx.finding,
    'onnx-cuda': () => probeOnnxCuda(environment, host, onnx),
    'onnx-webgpu': () => probeOnnxWebGpu(host, onnx),
    'tfjs-tensorflow': () => probeTensorFlow(environment, host),
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

function probeOnnxCuda(environment: NodeJS.ProcessEnv, host: ProbeHost, onnx: OnnxProbe): Finding {
  if (!onnx.finding.usable) return onnx.finding;
  if (host.platform !== 'linux' || host.arch !== 'x64') {
    return unusable(`onnxruntime-node has CUDA for linux-x64, not for ${host.platform}-${host.arch}`);
  }
  const hidden = missingNvidia(environment, host);
  if (hidden !== undefined) return unusable(hidden);
  const library = 'libonnxruntime_providers_cuda.so';
  if (!nativeFolders(host).some((folder) => host.exists(join(folder, library)))) {
    return unusable(
      `ONNX Runtime's CUDA files are not installed (${library}): ` +
        'run `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`',
    );
  }
  return usable('ONNX Runtime on an NVIDIA GPU by CUDA; never yet tried on hardware');
}

function probeOnnxWebGpu(host: ProbeHost, onnx: OnnxProbe): Finding {
  if (!onnx.finding.usable) return onnx.finding;
  const backends = onnx.runtime?.listSupportedBackends() ?? [];
  if (!backends.some(({ name }) => name === 'webgpu')) {
    return unusable(`this build of ONNX Runtime has no WebGPU on ${host.platform}-${host.arch}`);
  }
  const gpu =
    host.platform !== 'linux' ||
    host.exists('/dev/nvidiactl') ||
    host.list('/dev/dri').some((name) => name.startsWith('renderD'));
  if (!gpu) return unusable('no GPU is visible (/dev/dri/renderD*): a software driver does not count as one');
  return usable('ONNX Runtime on a GPU by WebGPU; never yet tried on hardware');
}

/** The newest cards that CUDA 11.2 compiles for are Ampere's: 8.0, 8.6, 8.7. Ada begins at 8.9. */
const AFTER_AMPERE = 8.9;

async function probeTensorFlow(environment: NodeJS.ProcessEnv, host: ProbeHost): Promise<Finding> {
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
  const hidden = missingNvidia(environment, host);
  if (hidden !== undefined) return unusable(hidden);
  const gpus = await host.nvidiaGpus();
  if (gpus.length === 0) return unusable('nvidia-smi names no GPU');
  const known = gpus.find(({ computeCapability }) => computeCapability < AFTER_AMPERE);
  if (known === undefined) {
    const names = gpus.map(({ name }) => name).join(', ');
    return unusable(`libtensorflow 2.9 knows NVIDIA GPUs up to Ampere, not ${names}`);
  }
  return usable(`libtensorflow on ${known.name} by CUDA 11.2; never yet tried on hardware`);
}

function probePackage(host: ProbeHost, packageName: string, what: string): Finding {
  if (host.resolve(packageName) === undefined)
    return unusable(`${packageName} is not installed: run \`npm ci\``);
  return usable(`TensorFlow.js, ${what}: slow, for comparison`);
}

/** Why no NVIDIA GPU can be used; undefined when one may be. */
function missingNvidia(environment: NodeJS.ProcessEnv, host: ProbeHost): string | undefined {
  const visible = environment['CUDA_VISIBLE_DEVICES'];
  if (visible !== undefined && (visible.trim() === '' || visible.trim().startsWith('-'))) {
    return `CUDA_VISIBLE_DEVICES="${visible}" hides every GPU`;
  }
  const devices = ['/dev/nvidiactl', '/dev/dxg']; // the driver's, and that of Windows's Linux
  return devices.some((device) => host.exists(device))
    ? undefined
    : 'no NVIDIA GPU is visible (/dev/nvidiactl)';
}

/** Where onnxruntime-node keeps its native libraries for this platform: bin/napi-v6/linux/x64. */
function nativeFolders(host: ProbeHost): string[] {
  const main = host.resolve('onnxruntime-node'); // dist/index.js
  if (main === undefined) return [];
  const binaries = join(dirname(main), '..', 'bin');
  return host.list(binaries).map((version) => join(binaries, version, host.platform, host.arch));
}
