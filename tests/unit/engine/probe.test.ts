import { describe, expect, it } from 'vitest';
import { ENGINE_NAMES, probeEngines } from '../../../worker/engine/index.js';
import type { EngineName, EngineProbe } from '../../../worker/engine/index.js';
import { parseGpus } from '../../../worker/engine/nvidia/index.js';
import type { NvidiaGpu } from '../../../worker/engine/nvidia/index.js';
import type { ProbeHost } from '../../../worker/engine/probe-host.js';

const AMPERE: NvidiaGpu = { uuid: 'GPU-1', name: 'NVIDIA A100', computeCapability: 8 };
const HOPPER: NvidiaGpu = { uuid: 'GPU-2', name: 'NVIDIA H200', computeCapability: 9 };
const CUDA_LIBRARY = '/modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so';

const CUDA_HOST = { files: ['/dev/nvidiactl', CUDA_LIBRARY], gpus: [AMPERE] };

interface Machine extends Partial<Omit<ProbeHost, 'exists' | 'list'>> {
  readonly files?: readonly string[];
  readonly packages?: readonly string[];
  readonly gpus?: readonly NvidiaGpu[];
}

/** A Linux machine with what npm installs and nothing else, unless said. */
function host({ files = [], packages = [], gpus = [], ...rest }: Machine = {}): ProbeHost {
  const installed = [
    'onnxruntime-node',
    '@tensorflow/tfjs-backend-wasm',
    '@tensorflow/tfjs-backend-cpu',
    ...packages,
  ];
  return {
    platform: 'linux',
    arch: 'x64',
    nodeMajor: 20,
    resolve: (name) => (installed.includes(name) ? `/modules/${name}/dist/index.js` : undefined),
    load: () => ({
      env: { versions: { node: '1.30.0' } },
      listSupportedBackends: () => [{ name: 'cpu' }, { name: 'webgpu' }],
    }),
    exists: (path) => files.includes(path),
    linked: () => undefined,
    list: (folder) =>
      [...files, CUDA_LIBRARY]
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1).split('/')[0]!),
    nvidiaGpus: () => Promise.resolve([...gpus]),
    ...rest,
  };
}

async function probe(
  name: EngineName,
  machine?: Machine,
  environment: NodeJS.ProcessEnv = {},
): Promise<EngineProbe> {
  const probes = await probeEngines(environment, host(machine));
  return probes.find((candidate) => candidate.name === name)!;
}

describe('probeEngines', () => {
  it('finds onnx-cpu on this machine, and says one line of every engine', async () => {
    const probes = await probeEngines(process.env);
    expect(probes.map(({ name }) => name)).toEqual([...ENGINE_NAMES]);
    expect(probes.find(({ name }) => name === 'onnx-cpu')).toMatchObject({
      usable: true,
      reason: expect.stringMatching(/^ONNX Runtime \d+\.\d+\.\d+ on the CPU/) as string,
    });
    for (const { reason } of probes) expect(reason).toMatch(/^[^\n]{10,300}$/);
  });

  it('tells node_modules of another platform from a missing package', async () => {
    const fail = (message: string) => (): never => {
      throw new Error(message);
    };
    const foreign = await probe('onnx-cpu', { load: fail('x.node: invalid ELF header\nRequire stack:') });
    expect(foreign).toMatchObject({
      usable: false,
      reason: expect.stringMatching(/invalid ELF header.*made for another platform.*npm ci/) as string,
    });
    const missing = await probe('onnx-cpu', {
      load: fail("Cannot find module 'onnxruntime-node'\nRequire stack:"),
    });
    expect(missing.reason).toBe('onnxruntime-node is not installed: run `npm ci`');
    expect(await probe('onnx-cuda', { load: fail('no') })).toMatchObject({ usable: false });
  });

  it.each<[string, Machine, NodeJS.ProcessEnv, RegExp | true]>([
    ['no card', {}, {}, /no NVIDIA GPU is visible/],
    ['a card, no CUDA files', { files: ['/dev/nvidiactl'] }, {}, /CUDA files are not installed.*npm rebuild/],
    ['a card and the files', CUDA_HOST, {}, true],
    ['Windows\u2019s Linux', { ...CUDA_HOST, files: ['/dev/dxg', CUDA_LIBRARY] }, {}, true],
    ['hidden cards', CUDA_HOST, { CUDA_VISIBLE_DEVICES: '' }, /hides every GPU/],
    ['cards hidden by -1', CUDA_HOST, { CUDA_VISIBLE_DEVICES: '-1' }, /hides/],
    ['one card shown', CUDA_HOST, { CUDA_VISIBLE_DEVICES: 'GPU-1' }, true],
    ['a card shown that is not there', CUDA_HOST, { CUDA_VISIBLE_DEVICES: '7' }, /names none of this host's/],
    ['a card that nobody names', { ...CUDA_HOST, gpus: [] }, {}, /names no GPU.*compute,utility/],
    ['a Mac', { platform: 'darwin', arch: 'arm64' }, {}, /not for darwin-arm64/],
  ])('onnx-cuda with %s', async (_, machine, environment, expected) => {
    const { usable, reason } = await probe('onnx-cuda', machine, environment);
    expect(usable).toBe(expected === true);
    if (expected !== true) expect(reason).toMatch(expected);
  });

  it('tells the cards that each engine can use, one worker each', async () => {
    const machine = {
      files: ['/dev/nvidiactl', CUDA_LIBRARY],
      packages: ['@tensorflow/tfjs-node-gpu'],
      gpus: [HOPPER, AMPERE, { ...AMPERE, uuid: 'GPU-3' }],
    };
    const devices = async (name: EngineName, environment = {}) =>
      (await probe(name, machine, environment)).devices;
    expect(await devices('onnx-cuda')).toEqual(['GPU-2', 'GPU-1', 'GPU-3']);
    expect(await devices('tfjs-tensorflow')).toEqual(['GPU-1', 'GPU-3']);
    expect(await devices('onnx-cuda', { CUDA_VISIBLE_DEVICES: '2,0' })).toEqual(['GPU-3', 'GPU-2']);
    expect(await devices('onnx-cpu')).toEqual([]);
    expect((await probe('onnx-cuda', machine)).reason).toMatch(/on NVIDIA H200, 2 x NVIDIA A100 by CUDA/);
  });

  const withPackage = { packages: ['@tensorflow/tfjs-node-gpu'], files: ['/dev/nvidiactl'] };
  it.each<[string, Machine, RegExp | true]>([
    ['not installed', { gpus: [AMPERE] }, /not installed/],
    ['without a card', { ...withPackage, files: [] }, /no NVIDIA GPU/],
    ['with a card that nobody names', withPackage, /names no GPU/],
    ['with a card that it knows', { ...withPackage, gpus: [AMPERE] }, true],
    ['with a card newer than it', { ...withPackage, gpus: [HOPPER] }, /up to Ampere, not NVIDIA H200/],
    ['with one of each', { ...withPackage, gpus: [HOPPER, AMPERE] }, true],
    ['under a Node too new', { ...withPackage, gpus: [AMPERE], nodeMajor: 24 }, /Node 24/],
    ['on arm64', { ...withPackage, gpus: [AMPERE], arch: 'arm64' }, /linux-arm64/],
  ])('tfjs-tensorflow %s', async (_, machine, expected) => {
    const { usable, reason } = await probe('tfjs-tensorflow', machine);
    expect(usable).toBe(expected === true);
    if (expected !== true) expect(reason).toMatch(expected);
  });

  it('asks nvidia-smi only where there are signs of a card', async () => {
    const nvidiaGpus = () => Promise.reject(new Error('asked'));
    await expect(probe('tfjs-tensorflow', { nvidiaGpus, files: ['/dev/nvidiactl'] })).resolves.toBeDefined();
    await expect(probe('tfjs-tensorflow', { ...withPackage, nvidiaGpus, files: [] })).resolves.toBeDefined();
  });
});

describe('parseGpus', () => {
  it('reads the lines that name a card', () => {
    expect(parseGpus('GPU-1, NVIDIA A100, 8.0\nGPU-9, NVIDIA GeForce RTX 3080, 8.6\n\nNo devices\n')).toEqual(
      [
        { uuid: 'GPU-1', name: 'NVIDIA A100', computeCapability: 8 },
        { uuid: 'GPU-9', name: 'NVIDIA GeForce RTX 3080', computeCapability: 8.6 },
      ],
    );
  });
});
