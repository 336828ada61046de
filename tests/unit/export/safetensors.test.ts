import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { NetworkName } from '../../../proto/index.js';
import { safetensors } from '../../../worker/export/safetensors.js';
import { trainedNetwork } from '../../../worker/export/trained-network.js';
import { MODELS, NETWORKS, trainedModel } from './trained-model.js';
import type { TrainedModel } from './trained-model.js';

const entrySchema = z.strictObject({
  dtype: z.literal('F32'),
  shape: z.array(z.int().min(1)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const headerSchema = z.object({ __metadata__: z.record(z.string(), z.string()) }).catchall(entrySchema);

interface ReadTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Reads the format as its page describes it, refusing holes, overlaps and bytes left over. */
function read(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dataStart = 8 + Number(view.getBigUint64(0, true));
  expect(dataStart % 8).toBe(0);
  const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, dataStart)));
  const { __metadata__: metadata, ...entries } = headerSchema.parse(header);
  const tensors = new Map<string, ReadTensor>();
  let end = 0;
  for (const [name, { shape, data_offsets: offsets }] of Object.entries(entries)) {
    expect(offsets[0]).toBe(end);
    end = offsets[1];
    const size = shape.reduce((a, b) => a * b, 1);
    expect(end - offsets[0]).toBe(4 * size);
    const start = dataStart + offsets[0];
    const values = Float32Array.from({ length: size }, (_, i) => view.getFloat32(start + 4 * i, true));
    tensors.set(name, { shape, values });
  }
  expect(dataStart + end).toBe(bytes.length);
  return { metadata, tensors };
}

const fileOf = (
  { model, parameters, statistics }: TrainedModel,
  network: NetworkName,
  metadata = {},
): Uint8Array => safetensors(trainedNetwork(model, network, parameters, statistics), metadata);

/** A state dict's name for each role of ours, by kind of layer. */
const TORCH_ROLES = {
  dense: { weight: 'weight', bias: 'bias' },
  batchNorm: { gamma: 'weight', beta: 'bias', mean: 'running_mean', variance: 'running_var' },
} as const;

describe.each(NETWORKS)('the safetensors file of the $model $network', ({ model: modelName, network }) => {
  const trained = trainedModel(MODELS[modelName]);
  const { model, layout, parameters, statistics } = trained;

  it('holds every tensor as a torch.nn.Sequential names and shapes it', () => {
    const { tensors } = read(fileOf(trained, network));
    const expected = new Map<string, ReadTensor>();
    for (const [index, layer] of model[network].layers.entries()) {
      if (layer.kind !== 'dense' && layer.kind !== 'batchNorm') continue;
      for (const [role, torchRole] of Object.entries(TORCH_ROLES[layer.kind])) {
        const named = (slice: { name: string }): boolean => slice.name === `${network}.${index}.${role}`;
        const parameter = layout[network].tensors.find(named);
        const slice = parameter ?? layout.statistics.find(named);
        if (slice === undefined) throw new Error(`no ${role} at ${index}`);
        const vector = parameter === undefined ? statistics : parameters;
        const start = slice.offset + (parameter === undefined ? 0 : layout[network].offset);
        const values = vector.slice(start, start + slice.size);
        const [rows = 0, columns] = slice.shape;
        expected.set(
          `${index}.${torchRole}`,
          columns === undefined
            ? { shape: [rows], values }
            : {
                shape: [columns, rows],
                values: values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)] as number),
              },
        );
      }
    }
    expect([...tensors.keys()]).toEqual([...expected.keys()]);
    for (const [key, { shape, values }] of expected) {
      expect(tensors.get(key)?.shape, key).toEqual(shape);
      const found = tensors.get(key)?.values ?? new Float32Array();
      expect(Buffer.from(found.buffer).equals(Buffer.from(values.buffer)), key).toBe(true);
    }
  });
});

it.each(['', 'a', 'ab', 'abc', 'abcdefg', 'Zahlen "groß"'])(
  'carries the metadata %j, whatever its length',
  (value) => {
    expect(read(fileOf(trainedModel(MODELS.odd), 'generator', { value })).metadata).toEqual({ value });
  },
);
