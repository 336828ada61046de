import type { ModelLayout } from './model.js';
import { fillUniform } from './random.js';

/**
 * The parameters before the first update: a dense layer's weight and bias uniform in +-1 / sqrt(fan in), a batch norm's
 * gamma 1 and beta 0. Every tensor has numbers of its own, keyed by its place, the generator's tensors first.
 * @returns layout.parameterCount values, laid out as ModelLayout says
 */
export function initialParameters(
  layout: Pick<ModelLayout, 'generator' | 'discriminator' | 'parameterCount'>,
  seed: number,
): Float32Array {
  const parameters = new Float32Array(layout.parameterCount);
  let index = 0;
  for (const network of [layout.generator, layout.discriminator]) {
    for (const { role, offset, size, fanIn } of network.tensors) {
      const start = network.offset + offset;
      const tensor = parameters.subarray(start, start + size);
      const key = { seed, stream: 'parameters', step: index } as const;
      index += 1;
      switch (role) {
        case 'weight':
        case 'bias': {
          const bound = 1 / Math.sqrt(fanIn);
          fillUniform(tensor, key, -bound, bound);
          break;
        }
        case 'gamma':
          tensor.fill(1);
          break;
        case 'beta':
          break; // zero already
        default:
          role satisfies never;
      }
    }
  }
  return parameters;
}
