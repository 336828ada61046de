import { invariant, modelLayout, sizedLayers } from '../../proto/index.js';
import type { LayerDescription, ModelDescription, NetworkName } from '../../proto/index.js';

type Described<Kind> = Extract<LayerDescription, { kind: Kind }>;

export interface TrainedDense extends Described<'dense'> {
  readonly inputSize: number;
  readonly weight: Float32Array; // [inputSize, units], row-major
  readonly bias: Float32Array; // [units]
}

/** Every tensor holds one value a feature. */
export interface TrainedBatchNorm extends Described<'batchNorm'> {
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  /** Running statistics. */
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

type Activation = Exclude<LayerDescription, Described<'dense' | 'batchNorm'>>;
export type TrainedLayer = TrainedDense | TrainedBatchNorm | Activation;

/** A network as its description says, with what training gave to each layer. Itself a NetworkDescription. */
export interface TrainedNetwork {
  readonly name: NetworkName;
  readonly inputSize: number;
  readonly layers: TrainedLayer[];
}

/**
 * One network of `model` with its tensors, which are views of `parameters` and `statistics`.
 * @param parameters of both networks, laid out as modelLayout(model)
 * @param statistics laid out as ModelLayout.statistics
 */
export function trainedNetwork(
  model: ModelDescription,
  name: NetworkName,
  parameters: Float32Array,
  statistics: Float32Array,
): TrainedNetwork {
  const layout = modelLayout(model);
  invariant(parameters.length === layout.parameterCount, 'all parameters of the model are given');
  invariant(statistics.length === layout.statisticCount, 'all running statistics of the model are given');
  const { tensors, offset } = layout[name];
  const start = (slice: { offset: number }): number => offset + slice.offset;
  const slices = new Map<string, Float32Array>([
    ...tensors.map(
      (slice) => [slice.name, parameters.subarray(start(slice), start(slice) + slice.size)] as const,
    ),
    ...layout.statistics.map(
      (slice) => [slice.name, statistics.subarray(slice.offset, slice.offset + slice.size)] as const,
    ),
  ]);
  const layers = sizedLayers(model[name]).map(({ layer, index, inputSize }): TrainedLayer => {
    const tensor = (role: string): Float32Array => {
      const values = slices.get(`${name}.${index}.${role}`);
      invariant(values !== undefined, `layer ${index} of the ${name} has a ${role}`);
      return values;
    };
    switch (layer.kind) {
      case 'dense':
        return { ...layer, inputSize, weight: tensor('weight'), bias: tensor('bias') };
      case 'batchNorm':
        return {
          ...layer,
          gamma: tensor('gamma'),
          beta: tensor('beta'),
          mean: tensor('mean'),
          variance: tensor('variance'),
        };
      case 'relu':
      case 'leakyRelu':
      case 'tanh':
      case 'sigmoid':
        return layer;
    }
  });
  return { name, inputSize: model[name].inputSize, layers };
}

/** A tensor as a file holds it. */
export interface FileTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
