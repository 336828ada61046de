import { expect, it } from 'vitest';
import type { ModelDescription } from '../../../proto/index.js';
import { foldBatchNorm } from '../../../worker/export/folded-network.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { MODELS, trainedModel } from './trained-model.js';

const kindsOf = (network: { layers: readonly { kind: string }[] }): string[] =>
  network.layers.map(({ kind }) => kind);

function folded(model: ModelDescription) {
  const { parameters, statistics } = trainedModel(model);
  return foldBatchNorm(trainedNetwork(model, 'generator', parameters, statistics));
}

it('folds a batch norm into the dense layer in front of it, by hand', () => {
  const network = foldBatchNorm({
    name: 'generator',
    inputSize: 2,
    layers: [
      {
        kind: 'dense',
        units: 2,
        inputSize: 2,
        weight: Float32Array.of(1, 2, 3, 4),
        bias: Float32Array.of(5, 6),
      },
      {
        kind: 'batchNorm',
        epsilon: 0.25,
        momentum: 0.9,
        gamma: Float32Array.of(3, -1),
        beta: Float32Array.of(0.5, 1),
        mean: Float32Array.of(1, 2),
        variance: Float32Array.of(2, 0), // deviations 1.5, 0.5: scales 2, -2
      },
      { kind: 'relu' },
    ],
  });
  expect(network).toEqual({
    name: 'generator',
    inputSize: 2,
    layers: [
      {
        kind: 'dense',
        units: 2,
        inputSize: 2,
        weight: Float32Array.of(2, -4, 6, -8),
        bias: Float32Array.of(8.5, -7),
      },
      { kind: 'relu' },
    ],
  });
});

it('leaves no batch norm that follows a dense layer, and all others', () => {
  expect(kindsOf(folded(MODELS.tutorial))).not.toContain('batchNorm');
  expect(kindsOf(folded(MODELS.odd))).toEqual([
    'batchNorm',
    'dense',
    'leakyRelu',
    'batchNorm',
    'dense',
    'tanh',
    'dense',
    'sigmoid',
  ]);
});

it('changes nothing that it is given', () => {
  const { model, parameters, statistics } = trainedModel(MODELS.odd);
  const before = [parameters.slice(), statistics.slice()];
  const network = trainedNetwork(model, 'generator', parameters, statistics);
  foldBatchNorm(network);
  expect(kindsOf(network)).toEqual(kindsOf(model.generator));
  expect([parameters, statistics]).toEqual(before);
});
