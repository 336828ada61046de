import { createRequire } from 'node:module';
import type { InferenceSession, TypedTensor } from 'onnxruntime-node';
import { messageOf, OperationalError } from '../../../proto/index.js';
import { encodeModel } from './schema.js';
import type { OnnxGraph } from './schema.js';

export type OnnxRuntime = typeof import('onnxruntime-node');
export type OnnxProvider = 'cpu' | 'cuda' | 'webgpu';
export type { InferenceSession, TypedTensor };

/** A CommonJS package: its exports are seen alike by every module loader only through `require`. */
const require = createRequire(import.meta.url);

/**
 * Loads ONNX Runtime's Node binding, which is native code: some 100 ms.
 * Throws OperationalError('engine-unavailable') where it is missing or made for another platform.
 */
export function loadOnnxRuntime(
  load: () => OnnxRuntime = () => require('onnxruntime-node') as OnnxRuntime,
): OnnxRuntime {
  try {
    return load();
  } catch (cause) {
    throw new OperationalError('engine-unavailable', loadFailure(cause), { cause });
  }
}

function loadFailure(cause: unknown): string {
  const [firstLine = ''] = messageOf(cause).split('\n');
  const here = `${process.platform}-${process.arch}`;
  if (/Cannot find (module|package) '?onnxruntime-(node|common)/.test(firstLine)) {
    return 'onnxruntime-node is not installed: run `npm ci`';
  }
  return (
    `onnxruntime-node's native library does not load on ${here} (${firstLine}): ` +
    'node_modules may have been made for another platform; run `npm ci` on this machine'
  );
}

/**
 * Opens a session that computes on the calling thread alone: how work is split over threads changes the bits of sums.
 * Nothing falls back to the CPU silently where another provider is asked for.
 * Throws OperationalError('engine-unavailable') where the provider cannot run the graph here.
 */
export async function openSession(
  runtime: OnnxRuntime,
  provider: OnnxProvider,
  graph: OnnxGraph,
): Promise<InferenceSession> {
  const model = encodeModel(graph);
  try {
    return await runtime.InferenceSession.create(model, {
      executionProviders: [provider],
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      ...(provider === 'cpu' ? {} : { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
    });
  } catch (cause) {
    const [firstLine = ''] = messageOf(cause).trim().split('\n');
    throw new OperationalError(
      'engine-unavailable',
      `ONNX Runtime cannot compute "${graph.name}" with its ${provider} provider here: ${firstLine}`,
      { cause },
    );
  }
}
