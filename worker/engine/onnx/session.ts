import { messageOf, OperationalError } from '../../../proto/index.js';
import type { InferenceSession, OnnxProvider, OnnxRuntime } from '../onnx-runtime.js';
import { encodeModel } from './schema.js';
import type { OnnxGraph } from './schema.js';

/**
 * Opens a session that computes on the calling thread, helped by `threads` - 1 others: how work is split over threads
 * changes the bits of sums at some shapes.
 * Nothing falls back to the CPU silently where another provider is asked for.
 * Throws OperationalError('engine-unavailable') where the provider cannot run the graph here.
 */
export function openSession(
  runtime: OnnxRuntime,
  provider: OnnxProvider,
  graph: OnnxGraph,
  threads = 1,
): Promise<InferenceSession> {
  return openModel(runtime, provider, { name: graph.name, bytes: encodeModel(graph) }, threads);
}

/** The same of the bytes of an `.onnx` file. `name` is what messages call it. */
export async function openModel(
  runtime: OnnxRuntime,
  provider: OnnxProvider,
  { name, bytes }: { readonly name: string; readonly bytes: Uint8Array },
  threads = 1,
): Promise<InferenceSession> {
  try {
    return await runtime.InferenceSession.create(bytes, {
      executionProviders: [provider],
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      extra: {
        session: {
          // From one node of a graph to the next, waking a thread takes longer than the node; between two runs, a thread
          // that spins takes the core that others need. So threads spin, but not for long. Measured for two threads at
          // B = 128 on two cores: without spinning a step took 12 ms, with this 10.8, with no limit 9 to 45.
          intra_op: threads > 1 ? { allow_spinning: '1', spin_duration_us: '50' } : { allow_spinning: '0' },
          ...(provider === 'cpu' ? {} : { disable_cpu_ep_fallback: '1' }),
        },
      },
    });
  } catch (cause) {
    const [firstLine = ''] = messageOf(cause).trim().split('\n');
    // Failed checks begin with the source line and the condition; the words come after.
    const words = firstLine.replace(/^\S*onnxruntime_src\S*.* was (true|false)\. /, '');
    throw new OperationalError(
      'engine-unavailable',
      `ONNX Runtime cannot compute "${name}" with its ${provider} provider here: ${words}`,
      { cause },
    );
  }
}
