import { floatBytes } from './float-bytes.js';
import type { Provenance } from './provenance.js';
import type { FileTensor, TrainedDense, TrainedLayer, TrainedNetwork } from './trained-network.js';

const LENGTH_BYTES = 8;
/** The format wants the data to start at a multiple of this, by spaces after the header. */
const ALIGNMENT_BYTES = 8;

/**
 * `network` in the safetensors format: the header's length (uint64, little-endian), a header in JSON, the data. Tensors
 * have the names and shapes of a state dict of a torch.nn.Sequential with one module for each layer of the description,
 * Linear's weight transposed to [out, in]. `provenance` becomes the header's `__metadata__`.
 */
export function safetensors(network: TrainedNetwork, provenance: Provenance): Uint8Array {
  const tensors = network.layers.flatMap(torchTensors);
  let offset = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const start = offset;
    offset += data.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [start, offset] }] as const;
  });
  const json = new TextEncoder().encode(
    JSON.stringify({ __metadata__: provenance, ...Object.fromEntries(entries) }),
  );
  const headerBytes = Math.ceil(json.length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(' '.charCodeAt(0), LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  bytes.set(json, LENGTH_BYTES);
  bytes.set(floatBytes(tensors.map(({ data }) => data)), LENGTH_BYTES + headerBytes);
  return bytes;
}

function torchTensors(layer: TrainedLayer, index: number): FileTensor[] {
  const perFeature = (role: string, data: Float32Array): FileTensor => ({
    name: `${index}.${role}`,
    shape: [data.length],
    data,
  });
  switch (layer.kind) {
    case 'dense':
      return [
        { name: `${index}.weight`, shape: [layer.units, layer.inputSize], data: transposedWeight(layer) },
        perFeature('bias', layer.bias),
      ];
    case 'batchNorm':
      return [
        perFeature('weight', layer.gamma),
        perFeature('bias', layer.beta),
        perFeature('running_mean', layer.mean),
        perFeature('running_var', layer.variance),
      ];
    case 'relu':
    case 'leakyRelu':
    case 'tanh':
    case 'sigmoid':
      return [];
  }
}

function transposedWeight({ inputSize, units, weight }: TrainedDense): Float32Array {
  const transposed = new Float32Array(weight.length); // [units, inputSize]
  for (let row = 0; row < inputSize; row++) {
    for (let column = 0; column < units; column++) {
      transposed[column * inputSize + row] = weight[row * units + column] as number;
    }
  }
  return transposed;
}
