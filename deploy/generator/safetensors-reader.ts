import { z } from 'zod';
import { modelSchema, type NetworkDescription } from '../../proto/index.js';
import { networkModel, type ReadableModel } from './readable-model.js';
import { DAMAGED, firstIssue, refusal, shown } from './refusal.js';
import { TensorTable, tensorBytes, type StoredTensor } from './tensor-table.js';
import { trainedLayers } from './trained-layers.js';

const LENGTH_BYTES = 8;
/** Of JSON: hundreds of layers, and the provenance. */
const MAX_HEADER_BYTES = 1 << 20;

const size = z.int().min(0);
const headerSchema = z
  .object({ __metadata__: z.record(z.string(), z.string()).default({}) })
  .catchall(
    z.object({ dtype: z.literal('F32'), shape: z.array(size).max(8), data_offsets: z.tuple([size, size]) }),
  );

/** The part of a RunSpec that tells the generator's layers, which a state dict does not. */
const specSchema = z.object({ model: z.object({ generator: modelSchema.shape.generator }) });

/** A `.safetensors` file as `worker/export` writes it. Throws UsageError. */
export function readSafetensors(path: string, bytes: Uint8Array): ReadableModel {
  const { header, data } = split(path, bytes);
  const { __metadata__: provenance, ...entries } = header;
  const table = new TensorTable(path, storedTensors(path, entries, data));
  const description = generatorOf(path, provenance);
  const layers = trainedLayers(description, {
    weight: (index, inputSize, units) =>
      transposed(table.take(`${index}.weight`, [units, inputSize]), units, inputSize),
    vector: (index, role, length) => table.take(`${index}.${TORCH_ROLES[role]}`, [length]),
  });
  table.finish();
  return networkModel(path, { name: 'generator', inputSize: description.inputSize, layers }, provenance);
}

/** A state dict's names of ours. */
const TORCH_ROLES = {
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
} as const;

function split(path: string, bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // As a double: large, but never wrong about being too large.
  const headerBytes = bytes.length < LENGTH_BYTES ? Infinity : Number(view.getBigUint64(0, true));
  const available = bytes.length - LENGTH_BYTES;
  if (headerBytes > available || headerBytes > MAX_HEADER_BYTES)
    throw refusal(
      path,
      `is no whole safetensors file: it announces a header of ${headerBytes} bytes, where ${Math.min(Math.max(available, 0), MAX_HEADER_BYTES)} are possible: ${DAMAGED}`,
    );
  const dataStart = LENGTH_BYTES + headerBytes;
  let json: unknown;
  try {
    json = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(LENGTH_BYTES, dataStart)),
    );
  } catch (error) {
    throw refusal(path, `is no safetensors file, its header is no JSON: ${DAMAGED}`, error);
  }
  const header = headerSchema.safeParse(json);
  if (!header.success)
    throw refusal(
      path,
      `has a header that is none of a safetensors file in float32 (${firstIssue(header.error)}): ${DAMAGED}`,
    );
  return { header: header.data, data: bytes.subarray(dataStart) };
}

interface Entry {
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** Without holes, overlaps and bytes left over, as the format wants it. */
function storedTensors(
  path: string,
  entries: Readonly<Record<string, Entry>>,
  data: Uint8Array,
): [string, StoredTensor][] {
  let end = 0;
  const tensors = Object.entries(entries)
    .sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0])
    .map(
      ([
        name,
        {
          shape,
          data_offsets: [from, to],
        },
      ]): [string, StoredTensor] => {
        if (from !== end || to - from !== tensorBytes(shape))
          throw refusal(
            path,
            `has no place for its tensor ${shown(name)} of ${shown(shape.join(' x '))} values: ${DAMAGED}`,
          );
        end = to;
        return [name, { shape, bytes: data.subarray(from, to) }];
      },
    );
  if (end !== data.length)
    throw refusal(path, `was expected to hold ${end} bytes of tensors, found ${data.length}: ${DAMAGED}`);
  return tensors;
}

function generatorOf(path: string, provenance: Readonly<Record<string, string>>): NetworkDescription {
  const text = provenance['run_spec'];
  let spec: unknown = null;
  try {
    spec = text === undefined ? null : JSON.parse(text);
  } catch {
    // Told below, like what is JSON of something else.
  }
  const known = specSchema.safeParse(spec);
  if (known.success) return known.data.model.generator;
  throw refusal(
    path,
    text === undefined
      ? "does not say which layers its tensors belong to (no run_spec in its metadata): gan-cluster's own files do"
      : `has a run_spec in its metadata that tells no generator (${firstIssue(known.error)}): ${DAMAGED}`,
  );
}

/** [units, inputSize] -> [inputSize, units] */
function transposed(weight: Float32Array, units: number, inputSize: number): Float32Array {
  const result = new Float32Array(weight.length);
  for (let row = 0; row < units; row++)
    for (let column = 0; column < inputSize; column++)
      result[column * units + row] = weight[row * inputSize + column] as number;
  return result;
}
