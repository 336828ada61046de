import fc from 'fast-check';
import type { LayerDescription, ModelDescription } from '../../../proto/index.js';

type Kind = LayerDescription['kind'];
type Layers = { readonly [K in Kind]: fc.Arbitrary<Extract<LayerDescription, { kind: K }>> };

const units = fc.integer({ min: 1, max: 24 });

const LAYERS: Layers = {
  dense: fc.record({ kind: fc.constant('dense'), units }),
  batchNorm: fc.record({
    kind: fc.constant('batchNorm'),
    epsilon: fc.constantFrom(1e-5, 1e-3, 0.1),
    momentum: fc.constantFrom(0, 0.8, 0.99, 1),
  }),
  relu: fc.record({ kind: fc.constant('relu') }),
  leakyRelu: fc.record({
    kind: fc.constant('leakyRelu'),
    slope: fc.double({ min: 0.01, max: 1.5, noNaN: true }),
  }),
  tanh: fc.record({ kind: fc.constant('tanh') }),
  sigmoid: fc.record({ kind: fc.constant('sigmoid') }),
};

const { batchNorm, ...discriminatorLayers } = LAYERS;
const discriminatorLayer = fc.oneof(...Object.values(discriminatorLayers));
const generatorLayer = fc.oneof(discriminatorLayer, batchNorm);

const IMAGE_SIZE = 16;

/** Small models of any depth, width and order of layers. */
export const randomModel: fc.Arbitrary<ModelDescription> = fc
  .record({
    noiseSize: units,
    generator: fc.array(generatorLayer, { maxLength: 8 }),
    end: fc.oneof(LAYERS.tanh, LAYERS.sigmoid),
    discriminator: fc.array(discriminatorLayer, { maxLength: 6 }),
  })
  .map(({ noiseSize, generator, end, discriminator }) => ({
    generator: {
      inputSize: noiseSize,
      layers: [...generator, { kind: 'dense', units: IMAGE_SIZE }, end],
    },
    discriminator: {
      inputSize: IMAGE_SIZE,
      layers: [...discriminator, { kind: 'dense', units: 1 }, { kind: 'sigmoid' }],
    },
  }));
