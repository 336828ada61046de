import { messageOf, OperationalError } from '../../../proto/index.js';
import type { InferenceSession, OnnxProvider, OnnxRuntime } from './runtime.js';
import { encodeModel } from './schema.js';
import type { OnnxGraph } from './schema.js';

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
      logSeverityLevel: 4,
      ...(provider === 'cpu' ? {} : { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
    });
  } catch (cause) {
    const [firstLine = ''] = messageOf(cause).trim().split('\n');
    // Failed checks begin with the source line and the condition; the words come after.
    const words = firstLine.replace(/^\S*onnxruntime_src\S*.* was (true|false)\. /, '');
    throw new OperationalError(
      'engine-unavailable',
      `ONNX Runtime cannot compute "${graph.name}" with its ${provider} provider here: ${words}`,
      { cause },
    );
  }
}
