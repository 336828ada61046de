import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { modelSchema, type LayerDescription, type NetworkDescription } from '../../proto/index.js';
import { readGeneratorFile } from './generator-file.js';
import { networkModel, type ReadableModel } from './readable-model.js';
import { DAMAGED, firstIssue, refusal } from './refusal.js';
import { checkAgainstRecord } from './run-record.js';
import { TensorTable, tensorBytes, type StoredTensor } from './tensor-table.js';
import { trainedLayers } from './trained-layers.js';

/** Of model.json: hundreds of layers, and the provenance. */
const MAX_JSON_BYTES = 1 << 20;

const name = z.string().min(1);
/** `batch_input_shape` of the first layer only. */
const first = z.object({ batch_input_shape: z.tuple([z.null(), z.int().min(1)]).optional() });
const layerOf = <Class extends string, Config extends z.ZodRawShape>(className: Class, config: Config) =>
  z.object({ class_name: z.literal(className), config: first.extend({ name, ...config }) });

const layerSchema = z.discriminatedUnion('class_name', [
  layerOf('Dense', { units: z.int().min(1), activation: z.literal('linear'), use_bias: z.literal(true) }),
  layerOf('BatchNormalization', {
    axis: z.literal(-1),
    momentum: z.number(),
    epsilon: z.number(),
    center: z.literal(true),
    scale: z.literal(true),
  }),
  layerOf('ReLU', { max_value: z.null().optional() }),
  layerOf('LeakyReLU', { alpha: z.number() }),
  layerOf('Activation', { activation: z.enum(['tanh', 'sigmoid']) }),
]);
type KerasLayer = z.infer<typeof layerSchema>;

const weightSchema = z.object({ name, shape: z.array(z.int().min(0)).max(8), dtype: z.literal('float32') });

/** What `worker/export` writes of the format. */
const modelFileSchema = z.object({
  format: z.literal('layers-model'),
  modelTopology: z.object({
    class_name: z.literal('Sequential'),
    config: z.object({ layers: z.array(layerSchema).min(1) }),
  }),
  weightsManifest: z.tuple([
    z.object({
      // A name, not a path that leads elsewhere.
      paths: z.tuple([
        name.refine((file) => basename(file) === file && !file.includes('\\'), 'a name in the same folder'),
      ]),
      weights: z.array(weightSchema.strict()),
    }),
  ]),
  userDefinedMetadata: z.record(z.string(), z.string()).default({}),
});
type ModelFile = z.infer<typeof modelFileSchema>;

export interface LayersModel {
  readonly model: ReadableModel;
  readonly weights: Uint8Array;
}

/** A TensorFlow.js LayersModel as `worker/export` writes it, with the weights from beside it. Rejects with UsageError. */
export async function readLayersModel(path: string, bytes: Uint8Array): Promise<LayersModel> {
  const file = parsed(path, bytes);
  const [{ paths, weights: described }] = file.weightsManifest;
  const weightsPath = join(dirname(path), paths[0]);
  const weights = await readGeneratorFile(weightsPath, path);
  await checkAgainstRecord(weightsPath, weights);
  const table = new TensorTable(weightsPath, storedTensors(weightsPath, described, weights));
  const { layers: kerasLayers } = file.modelTopology.config;
  const description = describedNetwork(path, kerasLayers);
  const nameOf = (index: number): string => kerasLayers[index]?.config.name ?? '';
  const layers = trainedLayers(description, {
    weight: (index, inputSize, units) => table.take(`${nameOf(index)}/kernel`, [inputSize, units]),
    vector: (index, role, length) => table.take(`${nameOf(index)}/${KERAS_ROLES[role]}`, [length]),
  });
  table.finish();
  return {
    model: networkModel(
      path,
      { name: 'generator', inputSize: description.inputSize, layers },
      file.userDefinedMetadata,
    ),
    weights,
  };
}

const KERAS_ROLES = {
  bias: 'bias',
  gamma: 'gamma',
  beta: 'beta',
  mean: 'moving_mean',
  variance: 'moving_variance',
} as const;

function parsed(path: string, bytes: Uint8Array): ModelFile {
  let json: unknown;
  try {
    if (bytes.length > MAX_JSON_BYTES) throw new RangeError(`more than ${MAX_JSON_BYTES} bytes`);
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw refusal(
      path,
      `was expected to be a TensorFlow.js LayersModel, and is no whole JSON: ${DAMAGED}`,
      error,
    );
  }
  const file = modelFileSchema.safeParse(json);
  if (file.success) return file.data;
  throw refusal(
    path,
    `was expected to be a generator as gan-cluster writes LayersModels (${firstIssue(file.error)})`,
    file.error,
  );
}

function storedTensors(
  path: string,
  described: ModelFile['weightsManifest'][0]['weights'],
  bytes: Uint8Array,
): [string, StoredTensor][] {
  const expected = described.reduce((sum, { shape }) => sum + tensorBytes(shape), 0);
  if (expected !== bytes.length)
    throw refusal(
      path,
      `was expected to have ${expected} bytes, as the model tells, found ${bytes.length}: ${DAMAGED}`,
    );
  let offset = 0;
  return described.map(({ name: tensor, shape }) => {
    const start = offset;
    offset += tensorBytes(shape);
    return [tensor, { shape, bytes: bytes.subarray(start, offset) }];
  });
}

function describedNetwork(path: string, layers: readonly KerasLayer[]): NetworkDescription {
  const network = modelSchema.shape.generator.safeParse({
    inputSize: layers[0]?.config.batch_input_shape?.[1],
    layers: layers.map(describedLayer),
  });
  if (network.success) return network.data;
  throw refusal(path, `has layers that no generator has (${firstIssue(network.error)})`, network.error);
}

function describedLayer(layer: KerasLayer): LayerDescription {
  switch (layer.class_name) {
    case 'Dense':
      return { kind: 'dense', units: layer.config.units };
    case 'BatchNormalization':
      return { kind: 'batchNorm', epsilon: layer.config.epsilon, momentum: layer.config.momentum };
    case 'ReLU':
      return { kind: 'relu' };
    case 'LeakyReLU':
      return { kind: 'leakyRelu', slope: layer.config.alpha };
    case 'Activation':
      return { kind: layer.config.activation };
  }
}
