/** An NVIDIA GPU, as nvidia-smi tells of it. */
export interface NvidiaGpu {
  /** The same on every host that it is ever in, and for every container: no two cards have the same. */
  readonly uuid: string;
  readonly name: string;
  /** CUDA's compute capability, major.minor: 8.6. */
  readonly computeCapability: number;
}

/** What nvidia-smi is asked, and how its answer is laid out. */
export const GPU_QUERY = ['--query-gpu=uuid,name,compute_cap', '--format=csv,noheader'] as const;

/** Lines of `uuid, name, compute capability`; others are left out. */
export function parseGpus(text: string): NvidiaGpu[] {
  return text.split('\n').flatMap((line) => {
    const [uuid, name, capability] = line.split(',').map((part) => part.trim());
    const computeCapability = Number(capability);
    return uuid && name && computeCapability > 0 ? [{ uuid, name, computeCapability }] : [];
  });
}

/**
 * The cards that CUDA_VISIBLE_DEVICES leaves, in its order: numbers in nvidia-smi's order, or beginnings of UUIDs. Like
 * CUDA it takes no notice of what comes after the first entry that names no card.
 * @param visible undefined when the variable is not set, which hides nothing
 */
export function visibleGpus(gpus: readonly NvidiaGpu[], visible: string | undefined): NvidiaGpu[] {
  if (visible === undefined) return [...gpus];
  const left: NvidiaGpu[] = [];
  for (const entry of visible.split(',').map((part) => part.trim())) {
    const gpu = gpuOf(gpus, entry);
    if (gpu === undefined) break;
    if (!left.includes(gpu)) left.push(gpu);
  }
  return left;
}

/** The card that a number in nvidia-smi's order, a UUID, or the beginning of one stands for. */
export function gpuOf(gpus: readonly NvidiaGpu[], text: string): NvidiaGpu | undefined {
  if (/^\d+$/.test(text)) return gpus[Number(text)];
  return text.startsWith('GPU-') ? gpus.find(({ uuid }) => uuid.startsWith(text)) : undefined;
}
