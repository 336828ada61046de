import { beforeAll, describe, expect, it } from 'vitest';
import { GeneratorSession } from '../../../deploy/generator/generator-session.js';
import { readSafetensors } from '../../../deploy/generator/safetensors-reader.js';
import { MODELS, trainedModel } from '../export/trained-model.js';
import { exported, fileNamed } from './exported.js';

interface Header {
  __metadata__?: Record<string, unknown>;
  [name: string]: unknown;
}
interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

let whole: Uint8Array;

beforeAll(async () => {
  whole = fileNamed(await exported(trainedModel(MODELS.odd)), 'generator.safetensors');
});

const lengthOf = (bytes: Uint8Array): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));

/** The exported file with another header, or other data. */
function edited(edit: (header: Header, data: Uint8Array) => unknown): Uint8Array {
  const end = 8 + lengthOf(whole);
  const header = JSON.parse(new TextDecoder().decode(whole.subarray(8, end))) as Header;
  const data = whole.slice(end);
  edit(header, data);
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

function announcing(headerBytes: bigint): Uint8Array {
  const bytes = Uint8Array.from(whole);
  new DataView(bytes.buffer).setBigUint64(0, headerBytes, true);
  return bytes;
}

const entry = (header: Header, name: string): Entry => header[name] as Entry;

describe('a .safetensors file', () => {
  it('is read as it was written', () => {
    expect(
      readSafetensors(
        'a',
        edited(() => undefined),
      ),
    ).toMatchObject({ noiseSize: 7, imageSize: 64 });
  });

  it.each([8n, 2n ** 20n + 1n, 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n])(
    'with a header of %s bytes is refused',
    (bytes) => {
      expect(() => readSafetensors('a', announcing(bytes))).toThrow(/^a (is no|has a header)/);
    },
  );

  it.each<[string, (header: Header, data: Uint8Array) => unknown, RegExp]>([
    ['half floats', (header) => (entry(header, '0.bias').dtype = 'F16'), /in float32 \(0\.bias\.dtype/],
    [
      'a shape too large for its place',
      (header) => (entry(header, '0.bias').shape = [2 ** 40]),
      /has no place for its tensor 0\.bias of 1099511627776 values/,
    ],
    [
      'a place beyond the end',
      (header) => (entry(header, '8.bias').data_offsets = [10 ** 9, 10 ** 9 + 256]),
      /has no place for its tensor/,
    ],
    [
      'two tensors in one place',
      (header) => (entry(header, '0.bias').data_offsets = entry(header, '0.weight').data_offsets),
      /has no place for its tensor/,
    ],
    [
      'a negative place',
      (header) => (entry(header, '0.bias').data_offsets = [-28, 0]),
      /in float32 \(0\.bias\.data_offsets/,
    ],
    ['a tensor too few', (header) => delete header['8.bias'], /was expected to hold \d+ bytes of tensors/],
    [
      'a tensor of another name',
      (header) => ((header['9.bias'] = header['8.bias']), delete header['8.bias']),
      /has no tensor 8\.bias/,
    ],
    [
      'a tensor too many',
      (header, { length }) => (header['x'] = { dtype: 'F32', shape: [0], data_offsets: [length, length] }),
      /has a tensor x that none of a generator's layers has/,
    ],
    [
      'a tensor of another shape',
      (header) => entry(header, '1.weight').shape.reverse(),
      /1\.weight of 7 x 33 values, where a generator's layers need 33 x 7/,
    ],
    [
      'a weight that is no number',
      (_, data) => new DataView(data.buffer).setFloat32(data.length - 4, NaN, true),
      /has NaN among the values of/,
    ],
    [
      'a negative variance',
      (header, data) =>
        new DataView(data.buffer).setFloat32(entry(header, '3.running_var').data_offsets[0], -1, true),
      /has a variance of -1 in the batch norm of layer 3/,
    ],
    ['no metadata', (header) => delete header.__metadata__, /no run_spec in its metadata/],
    [
      'a run_spec that is no JSON',
      (header) => (header.__metadata__ = { run_spec: '{' }),
      /run_spec in its metadata that tells no generator/,
    ],
    [
      'a run_spec of something else',
      (header) => (header.__metadata__ = { run_spec: '{"model":{}}' }),
      /tells no generator \(model\.generator/,
    ],
    [
      'layers of any width',
      (header) =>
        (header.__metadata__ = {
          run_spec: JSON.stringify({
            model: { generator: { inputSize: 65_536, layers: [{ kind: 'dense', units: 65_536 }] } },
          }),
        }),
      /0\.weight of 7 values, where a generator's layers need 65536 x 65536/,
    ],
    [
      'metadata that is no text',
      (header) => (header.__metadata__ = { step: 3 }),
      /in float32 \(__metadata__\.step/,
    ],
  ])('with %s is refused', (_, edit, words) => {
    expect(() => readSafetensors('a', edited(edit))).toThrow(words);
  });

  it('without finite images is refused when it is opened', async () => {
    const bytes = edited((header, data) => {
      const [start, end] = entry(header, '1.weight').data_offsets;
      const view = new DataView(data.buffer);
      for (let at = start; at < end; at += 4) view.setFloat32(at, at % 8 === 0 ? 3e38 : -3e38, true);
    });
    // Infinity minus infinity: the weights are all finite.
    await expect(GeneratorSession.open('a', readSafetensors('a', bytes))).rejects.toThrow(
      'a makes images that are no numbers',
    );
  });
});
