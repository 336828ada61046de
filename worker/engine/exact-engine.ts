import { createEngine } from './create-engine.js';
import type { Engine, EngineName, EngineOptions } from './engine.js';
import { engineFingerprint } from './fingerprint.js';

export interface ExactEngine {
  readonly engine: Engine;
  readonly fingerprint: string;
  /** Threads that it computes with. */
  readonly threads: number;
  /** Time of both halves of its first shard: an upper estimate, before anything is measured in earnest. */
  readonly firstShardMs: number;
}

/**
 * Creates an engine for an exact run, with its fingerprint. Its bits are those of one thread. Where `threads` threads
 * give the same bits it uses them: how a product is split decides which kernels do its edges, which changes bits at some
 * batch sizes (seen at 16, 32, 64, 100) and not at others (128, 256). That depends on shapes alone, never on values, so
 * one probe at the run's shapes tells.
 * @param versions of whatever else decides bits, for the fingerprint
 */
export async function createExactEngine(
  name: EngineName,
  options: EngineOptions,
  threads: number,
  versions: readonly string[],
): Promise<ExactEngine> {
  const engine = await createEngine(name, { ...options, threads: 1 });
  const sinceMs = performance.now();
  const fingerprint = await engineFingerprint(engine, options, versions);
  const firstShardMs = performance.now() - sinceMs;
  if (threads === 1 || name !== 'onnx-cpu') return { engine, fingerprint, threads: 1, firstShardMs };
  const wider = await createEngine(name, { ...options, threads });
  if ((await engineFingerprint(wider, options, versions)) !== fingerprint) {
    await wider.close();
    return { engine, fingerprint, threads: 1, firstShardMs };
  }
  await engine.close();
  return { engine: wider, fingerprint, threads, firstShardMs };
}
