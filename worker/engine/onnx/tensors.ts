import { invariant } from '../../../proto/index.js';
import type { TensorSlice } from '../../../proto/index.js';
import type { OnnxRuntime, TypedTensor } from '../onnx-runtime.js';
import type { OnnxGraph } from './schema.js';

export type Tensors = Readonly<Record<string, TypedTensor<'float32' | 'uint8'>>>;

/**
 * Tensors over the slices of a flat vector, by name, without a copy. ONNX Runtime takes no shared memory, and a vector
 * in a WebAssembly memory that grows loses its bytes.
 */
export function tensorsOver(
  runtime: OnnxRuntime,
  vector: Float32Array,
  slices: readonly TensorSlice[],
): Tensors {
  invariant(
    vector.buffer instanceof ArrayBuffer,
    'an ONNX engine reads and writes memory that is not shared',
  );
  return Object.fromEntries(
    slices.map((slice) => {
      const view = vector.subarray(slice.offset, slice.offset + slice.size);
      return [slice.name, new runtime.Tensor('float32', view, slice.shape)];
    }),
  );
}

/** Shape of the graph's output `name`, which is fixed. */
export function outputShape(graph: OnnxGraph, name: string): number[] {
  const output = graph.outputs.find((candidate) => candidate.name === name);
  invariant(output !== undefined, `the ${graph.name} has an output ${name}`);
  return output.dims.map((dim) => {
    invariant(typeof dim === 'number', `output ${name} of the ${graph.name} has a fixed shape`);
    return dim;
  });
}
