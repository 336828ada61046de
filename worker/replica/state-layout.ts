import {
  modelLayout,
  updateLayout,
  type ModelDescription,
  type ModelLayout,
  type NetworkName,
  type Recipe,
} from '../../proto/index.js';

/** Bytes that the parts of a state are aligned to. */
const ALIGNMENT_BYTES = 64;
const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;

/** Int32 fields before the exponents, in order. */
export const HEADER_FIELDS = [
  'version',
  'nextUpdate',
  'generatorAdamSteps',
  'discriminatorAdamSteps',
  /** Steps in a row in which an update was skipped. */
  'skippedSteps',
  /** 1 when the first half of the step in progress was skipped. */
  'stepSkipped',
] as const;
export type HeaderField = (typeof HEADER_FIELDS)[number];

/**
 * The whole replica state as one block of bytes, so that its fingerprint, its hash and its checkpoint are those of one
 * range of memory. Offsets in bytes from the start of the block, little-endian:
 *
 *   [ header fields | two int32 a tensor of D's update, then of G's: its range
 *     | parameters | Adam's m | Adam's v | running batch-norm statistics
 *     | averages of the generator's parameters, where the recipe averages ]
 *
 * Parts start at multiples of 64 bytes; the gaps stay zero.
 */
export interface StateLayout {
  readonly model: ModelLayout;
  /** Where the ranges of a network's update lie, and how many tensors have one. */
  readonly ranges: Readonly<Record<NetworkName, { readonly offset: number; readonly tensors: number }>>;
  readonly parameters: number;
  readonly m: number;
  readonly v: number;
  readonly statistics: number;
  readonly averages: number | null;
  readonly bytes: number;
}

export const STATE_VERSION = 1;

export function stateLayout(spec: {
  readonly model: ModelDescription;
  readonly recipe: Pick<Recipe, 'averaging'>;
}): StateLayout {
  const model = modelLayout(spec.model);
  const tensors = (network: NetworkName): number => updateLayout(model, network).tensors.length;
  const discriminator = { offset: 4 * HEADER_FIELDS.length, tensors: tensors('discriminator') };
  const generator = {
    offset: discriminator.offset + 8 * discriminator.tensors,
    tensors: tensors('generator'),
  };
  const vectorBytes = align(4 * model.parameterCount);
  const parameters = align(generator.offset + 8 * generator.tensors);
  const m = parameters + vectorBytes;
  const v = m + vectorBytes;
  const statistics = v + vectorBytes;
  const end = statistics + align(4 * model.statisticCount);
  const averages = spec.recipe.averaging === null ? null : end;
  return {
    model,
    ranges: { discriminator, generator },
    parameters,
    m,
    v,
    statistics,
    averages,
    bytes: averages === null ? end : averages + align(4 * model.generator.size),
  };
}
