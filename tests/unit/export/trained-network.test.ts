import { expect, it } from 'vitest';
import { TUTORIAL_MODEL } from '../../../proto/index.js';
import type { NetworkName } from '../../../proto/index.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { trainedModel } from './trained-model.js';

const { layout, parameters, statistics } = trainedModel(TUTORIAL_MODEL);

it.each<NetworkName>(['generator', 'discriminator'])('views the tensors of the %s', (name) => {
  const network = trainedNetwork(TUTORIAL_MODEL, name, parameters, statistics);
  const { inputSize, layers } = network;
  expect(network.name).toBe(name);
  expect(inputSize).toBe(TUTORIAL_MODEL[name].inputSize);
  expect(layers.map(({ kind }) => kind)).toEqual(TUTORIAL_MODEL[name].layers.map(({ kind }) => kind));
  const { tensors, offset } = layout[name];
  for (const slice of tensors) {
    const view = Object.entries(layers[slice.layer] ?? {}).find(
      ([role]) => role === slice.role,
    )?.[1] as unknown;
    if (!(view instanceof Float32Array)) throw new Error(`no ${slice.name}`);
    expect(view.buffer, slice.name).toBe(parameters.buffer);
    expect(view.byteOffset / 4, slice.name).toBe(offset + slice.offset);
    expect(view.length, slice.name).toBe(slice.size);
  }
});
