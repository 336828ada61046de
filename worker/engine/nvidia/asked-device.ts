import { UsageError } from '../../../proto/index.js';
import { gpuOf } from './nvidia-gpu.js';
import type { NvidiaGpu } from './nvidia-gpu.js';

/**
 * The UUID that `--device` stands for: a number in nvidia-smi's order, a UUID or its beginning, or the UUID of a part of
 * a card (MIG-...), which nvidia-smi's list does not name.
 * @param gpus the host's cards, as nvidia-smi lists them
 * @param usable UUIDs of those that the engine can use
 * Throws UsageError where there is no such card, or the engine cannot use it.
 */
export function askedDevice(
  asked: string,
  gpus: readonly NvidiaGpu[],
  engine: string,
  usable: readonly string[],
): string {
  if (asked.startsWith('MIG-') && usable.length > 0) return asked;
  const list = gpus.map(({ uuid, name }, i) => `${i} (${name}, ${uuid})`).join(', ');
  const found = gpus.length === 0 ? 'no NVIDIA GPU' : list;
  const gpu = gpuOf(gpus, asked);
  if (gpu === undefined)
    throw new UsageError(
      `--device ${asked}: an NVIDIA GPU's number or UUID was expected; this host has ${found}`,
    );
  if (usable.includes(gpu.uuid)) return gpu.uuid;
  throw new UsageError(
    usable.length === 0
      ? `--device ${asked} was given, but engine ${engine} uses no NVIDIA GPU here: name another --engine`
      : `--device ${asked}: engine ${engine} cannot use ${gpu.name} (${gpu.uuid}); it can use ${usable.join(', ')}`,
  );
}
