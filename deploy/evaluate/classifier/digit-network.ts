import { invariant, sizedLayers } from '../../../proto/index.js';
import type { NetworkDescription, TensorSlice } from '../../../proto/index.js';

import { DIGITS, IMAGE_SIZE } from '../digit-images.js';
export const FEATURES = 128;

/** The classifier's two parts. What goes from one to the other are the features that Frechet distances compare. */
export const DIGIT_NETWORK = {
  /** Images in [0, 1] -> features. */
  trunk: {
    inputSize: IMAGE_SIZE,
    layers: [
      { kind: 'dense', units: 512 },
      { kind: 'relu' },
      { kind: 'dense', units: FEATURES },
      { kind: 'relu' },
    ],
  },
  /** Features -> a logit for each digit. */
  head: { inputSize: FEATURES, layers: [{ kind: 'dense', units: DIGITS }] },
} as const satisfies Record<string, NetworkDescription>;

export interface DigitTensor extends TensorSlice {
  readonly role: 'weight' | 'bias';
  readonly fanIn: number;
}

/** The classifier's tensors in one flat vector: `trunk.0.weight` [in, out], `trunk.0.bias` [out] and so on. */
export const DIGIT_TENSORS: readonly DigitTensor[] = layoutOf(DIGIT_NETWORK);
export const DIGIT_PARAMETERS = DIGIT_TENSORS.reduce((sum, { size }) => sum + size, 0);

function layoutOf(parts: Readonly<Record<string, NetworkDescription>>): DigitTensor[] {
  const tensors: DigitTensor[] = [];
  let offset = 0;
  for (const [part, network] of Object.entries(parts)) {
    for (const { layer, index, inputSize, outputSize } of sizedLayers(network)) {
      if (layer.kind !== 'dense') {
        invariant(layer.kind === 'relu', `the layout knows no ${layer.kind}`);
        continue;
      }
      for (const role of ['weight', 'bias'] as const) {
        const shape = role === 'weight' ? [inputSize, outputSize] : [outputSize];
        const size = role === 'weight' ? inputSize * outputSize : outputSize;
        tensors.push({ name: `${part}.${index}.${role}`, role, shape, offset, size, fanIn: inputSize });
        offset += size;
      }
    }
  }
  return tensors;
}
