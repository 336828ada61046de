import { basename, join } from 'node:path';
import type { ProbeHost } from './probe-host.js';

/** Where Vulkan's loader looks for the manifests of its drivers. */
const MANIFEST_FOLDERS = [
  '/etc/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
  '/usr/share/vulkan/icd.d',
  '/usr/local/etc/vulkan/icd.d',
];
/** In these variables somebody names manifests himself; the first that is set counts. */
const MANIFEST_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];

/** Drivers that compute on the CPU: Mesa's lavapipe, Google's SwiftShader. */
const SOFTWARE = /^lvp|lavapipe|llvmpipe|swiftshader/i;

/** Kernel drivers of GPUs, and what the name of their Vulkan driver's manifest contains. */
const VULKAN_OF: Readonly<Record<string, RegExp>> = {
  nvidia: /nvidia/i,
  nouveau: /nouveau/i,
  amdgpu: /radeon|amd/i,
  radeon: /radeon|amd/i,
  i915: /intel/i,
  xe: /intel/i,
};
/** Kernel drivers whose render nodes have no GPU behind them. */
const NO_GPU: readonly string[] = ['vgem', 'vkms'];

/**
 * Why Vulkan would find no GPU on this Linux host, in words; undefined when it may find one. A software driver is found
 * where there is none for the hardware, and ONNX Runtime takes it without a word: so there must be a device, and a
 * driver that fits it.
 */
export function vulkanTrouble(environment: NodeJS.ProcessEnv, host: ProbeHost): string | undefined {
  const kernelDrivers = host
    .list('/dev/dri')
    .filter((name) => name.startsWith('renderD'))
    .map((node) => host.linked(`/sys/class/drm/${node}/device/driver`) ?? 'unknown')
    .filter((driver) => !NO_GPU.includes(driver));
  if (host.exists('/dev/nvidiactl') && !kernelDrivers.includes('nvidia')) kernelDrivers.push('nvidia');
  if (kernelDrivers.length === 0)
    return 'no GPU is visible (/dev/dri/renderD*): a software driver does not count as one';
  const manifests = manifestNames(environment, host);
  const drivers = manifests.filter((name) => !SOFTWARE.test(name));
  const fitting = kernelDrivers.some((kernel) =>
    drivers.some((name) => VULKAN_OF[kernel]?.test(name) ?? VULKAN_OF[kernel] === undefined),
  );
  if (fitting) return undefined;
  const found = manifests.length === 0 ? 'none' : manifests.join(', ');
  const todo = kernelDrivers.includes('nvidia')
    ? 'in a container set NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics'
    : "install the GPU's Vulkan driver";
  return `no Vulkan driver for the GPU (${kernelDrivers.join(', ')}) is installed, only ${found}: ${todo}`;
}

function manifestNames(environment: NodeJS.ProcessEnv, host: ProbeHost): string[] {
  const named = MANIFEST_VARIABLES.map((variable) => environment[variable]).find((value) => value);
  if (named !== undefined) return named.split(':').map((path) => basename(path));
  const names = MANIFEST_FOLDERS.flatMap((folder) =>
    host.list(folder).filter((name) => host.exists(join(folder, name))),
  );
  return [...new Set(names.filter((name) => name.endsWith('.json')))];
}
