import { describe, expect, it } from 'vitest';
import { thisHost } from '../../../worker/engine/probe-host.js';
import type { ProbeHost } from '../../../worker/engine/probe-host.js';
import { vulkanTrouble } from '../../../worker/engine/vulkan-driver.js';

const ICD = '/usr/share/vulkan/icd.d';

/** A Linux host with these files, and kernel drivers behind its render nodes. */
function host(files: readonly string[], drivers: readonly string[] = []): ProbeHost {
  const nodes = drivers.map((driver, i) => [`renderD${128 + i}`, driver] as const);
  const all = [...files, ...nodes.map(([node]) => `/dev/dri/${node}`)];
  return {
    ...thisHost,
    exists: (path) => all.includes(path),
    list: (folder) =>
      all.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)),
    linked: (path) => nodes.find(([node]) => path === `/sys/class/drm/${node}/device/driver`)?.[1],
  };
}

describe('a GPU for WebGPU', () => {
  it.each<[string, ProbeHost, NodeJS.ProcessEnv, RegExp | undefined]>([
    ['none without a device', host([`${ICD}/lvp_icd.x86_64.json`]), {}, /no GPU is visible/],
    ['none behind a display', host(['/dev/dri/card0']), {}, /no GPU is visible/],
    ['none behind a virtual node', host([`${ICD}/lvp_icd.json`], ['vgem']), {}, /no GPU is visible/],
    ['none without a driver', host([], ['amdgpu']), {}, /no Vulkan driver for the GPU \(amdgpu\).*only none/],
    [
      'none with a software driver alone',
      host([`${ICD}/lvp_icd.x86_64.json`], ['amdgpu']),
      {},
      /only lvp_icd\.x86_64\.json: install/,
    ],
    [
      'one with its driver',
      host([`${ICD}/radeon_icd.x86_64.json`, `${ICD}/lvp_icd.json`], ['amdgpu']),
      {},
      undefined,
    ],
    ['one of an unknown make with some driver', host([`${ICD}/freedreno_icd.json`], ['msm']), {}, undefined],
    [
      "none in a container without NVIDIA's graphics files",
      host(['/dev/nvidiactl', `${ICD}/radeon_icd.x86_64.json`, `${ICD}/lvp_icd.json`]),
      {},
      /GPU \(nvidia\).*NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics/,
    ],
    [
      'one in a container with them',
      host(['/dev/nvidiactl', '/etc/vulkan/icd.d/nvidia_icd.json']),
      {},
      undefined,
    ],
    [
      'none when a software driver is named by hand',
      host([`${ICD}/radeon_icd.x86_64.json`], ['amdgpu']),
      { VK_DRIVER_FILES: '/opt/lvp_icd.x86_64.json' },
      /only lvp_icd/,
    ],
  ])('%s', (_, machine, environment, expected) => {
    const trouble = vulkanTrouble(environment, machine);
    if (expected === undefined) expect(trouble).toBeUndefined();
    else expect(trouble).toMatch(expected);
  });
});
