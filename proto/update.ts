import type { ModelLayout, NetworkName, TensorSlice } from './model.js';

/** Index of an update: 2 x step for the discriminator's, 2 x step + 1 for the generator's. */
export type Update = number;

export const updateOf = (step: number, network: NetworkName): Update =>
  2 * step + (network === 'generator' ? 1 : 0);
export const stepOf = (update: Update): number => Math.floor(update / 2);
export const networkOf = (update: Update): NetworkName => (update % 2 === 0 ? 'discriminator' : 'generator');

/**
 * What one half of a step contributes, as one flat vector. An engine fills `floatLength` float32 values; the kernels
 * turn them into int32 and append two counters a tensor; the ring sums the whole int32 vector of `length`.
 *
 *   [ gradients of the network, in layout order | scalars | batch statistics (discriminator's half only)
 *     | saturated: one int a tensor | not finite: one int a tensor ]
 *
 * A "tensor" here is any slice that has an exponent of its own: the gradient's tensors, the scalars, each statistic.
 */
export interface UpdateLayout {
  readonly network: NetworkName;
  readonly tensors: readonly TensorSlice[];
  /** The first `gradientTensorCount` tensors, `gradientLength` elements, are the network's gradient. */
  readonly gradientTensorCount: number;
  readonly gradientLength: number;
  readonly scalarNames: readonly string[];
  readonly scalarOffset: number;
  /** Batch mean and biased batch variance of the generator's batch norms, laid out as ModelLayout.statistics. */
  readonly statisticsOffset: number;
  readonly statisticsLength: number;
  readonly floatLength: number;
  readonly saturatedOffset: number;
  readonly notFiniteOffset: number;
  readonly length: number;
}

/** Scalars riding in each half: means over the shard. */
const SCALARS = {
  /** Loss of D (sum of its two halves), mean D(x), mean D(G(z)): all before D's update. */
  discriminator: ['discriminatorLoss', 'discriminatorReal', 'discriminatorFake'],
  /** Loss of G against the updated D. */
  generator: ['generatorLoss'],
} as const;

export function updateLayout(model: ModelLayout, network: NetworkName): UpdateLayout {
  const parameters = model[network];
  const tensors: TensorSlice[] = parameters.tensors.map(({ name, shape, offset, size }) => ({
    name,
    shape,
    offset,
    size,
  }));
  const scalarNames = SCALARS[network];
  const scalarOffset = parameters.size;
  tensors.push({
    name: `${network}.scalars`,
    shape: [scalarNames.length],
    offset: scalarOffset,
    size: scalarNames.length,
  });
  const statisticsOffset = scalarOffset + scalarNames.length;
  const statistics = network === 'discriminator' ? model.statistics : [];
  for (const slice of statistics) {
    tensors.push({
      name: slice.name,
      shape: slice.shape,
      offset: statisticsOffset + slice.offset,
      size: slice.size,
    });
  }
  const statisticsLength = network === 'discriminator' ? model.statisticCount : 0;
  const floatLength = statisticsOffset + statisticsLength;
  return {
    network,
    tensors,
    gradientTensorCount: parameters.tensors.length,
    gradientLength: parameters.size,
    scalarNames,
    scalarOffset,
    statisticsOffset,
    statisticsLength,
    floatLength,
    saturatedOffset: floatLength,
    notFiniteOffset: floatLength + tensors.length,
    length: floatLength + 2 * tensors.length,
  };
}
