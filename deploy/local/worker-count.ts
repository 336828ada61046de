import { UsageError } from '../../proto/index.js';
import type { EngineProbe } from '../../worker/index.js';

const DEFAULT_WORKERS = 2;

/**
 * How many workers a local cluster has: what was asked for, else one for each card that the engine can use, else two.
 * WebGPU takes the same GPU for every worker of a host, so it gets one.
 * @param engine what was found of the chosen engine
 * Throws UsageError for more workers than there are cards: those without one would only wait.
 */
export function workerCount(asked: number | undefined, { name, devices }: EngineProbe): number {
  const cards = devices.length;
  if (asked !== undefined && cards > 0 && asked > cards) {
    const found = `this host has ${cards === 1 ? 'one GPU' : `${cards} GPUs`} that ${name} can use`;
    throw new UsageError(
      `--workers ${asked}: a worker has a GPU of its own, and ${found}: take at most ${cards}`,
    );
  }
  if (asked !== undefined) return asked;
  if (cards > 0) return cards;
  return name === 'onnx-webgpu' ? 1 : DEFAULT_WORKERS;
}
