import type { TrainedBatchNorm, TrainedDense, TrainedLayer, TrainedNetwork } from './trained-network.js';

/**
 * The same function in evaluation mode with fewer layers: with fixed statistics a batch norm is a scale and a shift of
 * each feature, which go into the weights of the dense layer in front of it. A batch norm that follows anything else
 * stays. Computed in float64 and rounded once.
 */
export function foldBatchNorm(network: TrainedNetwork): TrainedNetwork {
  const layers: TrainedLayer[] = [];
  for (const layer of network.layers) {
    const before = layers.at(-1);
    if (layer.kind === 'batchNorm' && before?.kind === 'dense')
      layers.splice(-1, 1, normalised(before, layer));
    else layers.push(layer);
  }
  return { ...network, layers };
}

/** gamma (x W + b - mean) / sqrt(variance + epsilon) + beta, as one dense layer. */
function normalised(
  dense: TrainedDense,
  { epsilon, gamma, beta, mean, variance }: TrainedBatchNorm,
): TrainedDense {
  const scale = Float64Array.from(gamma, (value, i) => value / Math.sqrt((variance[i] as number) + epsilon));
  const factor = (column: number): number => scale[column] as number;
  const bias = dense.bias.map((value, i) => (value - (mean[i] as number)) * factor(i) + (beta[i] as number));
  const weight = dense.weight.map((value, i) => value * factor(i % dense.units));
  return { ...dense, weight, bias };
}
