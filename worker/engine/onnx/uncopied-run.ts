import { messageOf } from '../../../proto/index.js';
import type { InferenceSession, OnnxRuntime } from '../onnx-runtime.js';
import { encodeModel } from './schema.js';
import type { OnnxGraph } from './schema.js';
import type { Tensors } from './tensors.js';

/**
 * ONNX Runtime's Node binding writes an output into the memory it is given, then copies it into an array of its own as
 * well: for our gradients 2 ms of a step's 15 at B = 128 (and of 6 at B = 32), 10 MB of garbage each time. No option
 * turns that off. But the binding makes the copies in the order of the graph's outputs, only after the whole graph has
 * run, and refuses an output that is no tensor. So a graph whose first output is a sequence ends with that refusal,
 * complete and uncopied.
 *
 * Whether a version of the binding behaves so is tried out, not assumed: `canRunUncopied`. Where it does not, sessions
 * are run in the ordinary way, with the same results.
 */

const REFUSED_OUTPUT = 'refused';
const REFUSAL = /^Non tensor type is temporarily not supported/;

/** The same graph with the sequence in front of its outputs. CPU only: other providers have no kernel for it. */
export function withRefusedOutput(graph: OnnxGraph): OnnxGraph {
  return {
    ...graph,
    nodes: [
      ...graph.nodes,
      { operator: 'SequenceEmpty', inputs: [], outputs: [REFUSED_OUTPUT], attributes: {} },
    ],
    outputs: [{ name: REFUSED_OUTPUT, type: 'float32', dims: [], sequence: true }, ...graph.outputs],
  };
}

/** Runs a session of a graph made by `withRefusedOutput`; `fetches` have been overwritten when it returns. */
export async function runUncopied(
  session: InferenceSession,
  feeds: Tensors,
  fetches: Tensors,
): Promise<void> {
  try {
    await session.run(feeds, { [REFUSED_OUTPUT]: null, ...fetches });
  } catch (thrown) {
    if (!REFUSAL.test(messageOf(thrown))) throw thrown;
  }
}

/** Tries `runUncopied` on the smallest graph: whether this binding's refusal comes after all outputs are written. */
export async function canRunUncopied(runtime: OnnxRuntime): Promise<boolean> {
  const graph: OnnxGraph = {
    name: 'trial',
    nodes: [
      { operator: 'Neg', inputs: ['x'], outputs: ['y'], attributes: {} },
      { operator: 'Neg', inputs: ['y'], outputs: ['z'], attributes: {} },
    ],
    inputs: [{ name: 'x', type: 'float32', dims: [1] }],
    outputs: ['y', 'z'].map((name) => ({ name, type: 'float32', dims: [1] })),
    initializers: [],
  };
  const tensor = (value: number) => new runtime.Tensor('float32', Float32Array.of(value), [1]);
  const results = { y: tensor(0), z: tensor(0) };
  let session: InferenceSession | undefined;
  try {
    session = await runtime.InferenceSession.create(encodeModel(withRefusedOutput(graph)), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
    });
    await runUncopied(session, { x: tensor(7) }, results);
  } catch {
    return false;
  } finally {
    await session?.release();
  }
  return results.y.data[0] === -7 && results.z.data[0] === 7;
}
