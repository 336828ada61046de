import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeIdx, parseIdx, readIdx } from '../../../coordinator/dataset/index.js';
import { OperationalError } from '../../../proto/index.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'idx-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const images = { dimensions: [3, 4, 5], data: Uint8Array.from({ length: 60 }, (_, i) => i * 4) };
const whole = encodeIdx(images);
const patched = (at: number, ...bytes: number[]): Uint8Array => {
  const copy = whole.slice();
  copy.set(bytes, at);
  return copy;
};

async function write(bytes: Uint8Array): Promise<string> {
  const path = join(folder, 'images');
  await writeFile(path, bytes);
  return path;
}

describe('readIdx', () => {
  it.each([
    ['plain', (bytes: Uint8Array) => bytes],
    ['gzip', (bytes: Uint8Array) => gzipSync(bytes)],
    [
      'gzip in two members',
      (bytes: Uint8Array) => Buffer.concat([gzipSync(bytes.subarray(0, 9)), gzipSync(bytes.subarray(9))]),
    ],
  ])('reads what was encoded, %s', async (_, pack) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }),
        async (dimensions) => {
          const size = dimensions.reduce((a, b) => a * b, 1);
          const array = { dimensions, data: Uint8Array.from({ length: size }, (_, i) => i) };
          expect(await readIdx(await write(pack(encodeIdx(array))))).toEqual(array);
        },
      ),
      { numRuns: 25, seed: 7 },
    );
  });

  it('reads a file that is longer than its buffers', async () => {
    const data = Uint8Array.from({ length: 1_234_567 }, (_, i) => (i * 2_654_435_761) >>> 24);
    const array = { dimensions: [data.length], data };
    for (const bytes of [encodeIdx(array), gzipSync(encodeIdx(array))]) {
      const read = await readIdx(await write(bytes));
      expect(Buffer.compare(read.data, data)).toBe(0);
    }
  });

  it.each([
    ['empty', new Uint8Array(0), /is empty/],
    ['two bytes', whole.subarray(0, 2), /neither an IDX file .* nor gzip/],
    ['not IDX', new TextEncoder().encode('<html>'), /neither an IDX file .*3c68746d/],
    ['of floats', patched(2, 0x0d), /IDX type 0xd; unsigned bytes/],
    ['without dimensions', patched(3, 0), /has 0 dimensions/],
    ['with too many dimensions', patched(3, 5), /has 5 dimensions/],
    ['cut in its header', whole.subarray(0, 10), /ends inside its header, after 10 of 16 bytes/],
    ['truncated', whole.subarray(0, 75), /is truncated: 3 x 4 x 5 elements take 76 bytes, found 75/],
    [
      'too long',
      Buffer.concat([whole, whole.subarray(0, 1)]),
      /bytes after its end: .* take 76 bytes, found 77/,
    ],
    ['of an absurd size', patched(4, 0x30, 0, 0, 0), /announces 805306368 x 4 x 5 elements; at most/],
    ['of an overflowing size', patched(4, ...Array<number>(12).fill(0xff)), /announces 4294967295 x/],
  ])('refuses a file that is %s, plain and packed', async (_, bytes, words) => {
    for (const pack of [(b: Uint8Array) => b, (b: Uint8Array) => (b.length === 0 ? b : gzipSync(b))]) {
      const path = await write(pack(bytes));
      const error: unknown = await readIdx(path).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(OperationalError);
      const { message, code } = error as OperationalError;
      expect(code).toBe('dataset');
      // A packed file is as long as it unpacks to: "holds more" stands for bytes after the end.
      expect(message).toMatch(
        new RegExp(`${words.source}|holds more than the 3 x 4 x 5 elements that it announces`),
      );
      expect(message.startsWith(path)).toBe(true);
      expect(message).not.toContain('\n');
    }
  });

  it.each([
    ['truncated', gzipSync(whole).subarray(0, -9), /not a whole gzip file/],
    ['without its checksum', gzipSync(whole).subarray(0, -8), /not a whole gzip file/],
    [
      'followed by rubbish',
      Buffer.concat([gzipSync(whole), Buffer.from('rubbish')]),
      /not a whole gzip file/,
    ],
    [
      'padded',
      Buffer.concat([gzipSync(whole), Buffer.alloc(7)]),
      /has 7 bytes after the end of its gzip stream/,
    ],
    ['of nothing', gzipSync(new Uint8Array(0)), /neither an IDX file/],
  ])('refuses gzip that is %s', async (_, bytes, words) => {
    await expect(readIdx(await write(bytes))).rejects.toThrow(words);
  });

  it('refuses gzip in which a bit was flipped', async () => {
    const packed = gzipSync(whole);
    for (let at = 10; at < packed.length; at++) {
      const corrupt = Uint8Array.from(packed);
      corrupt[at] = (corrupt[at] ?? 0) ^ 0x10;
      await expect(readIdx(await write(corrupt)), `byte ${at}`).rejects.toBeInstanceOf(OperationalError);
    }
  });

  it('allocates nothing for a small gzip file that announces a gigabyte', async () => {
    const header = patched(4, 0x02, 0xff, 0xff, 0xff); // 50 million x 4 x 5
    await expect(readIdx(await write(gzipSync(header)))).rejects.toThrow(
      /more than a file of its size can hold/,
    );
  });

  it('names a file that is missing, and a folder', async () => {
    await expect(readIdx(join(folder, 'none'))).rejects.toThrow(/none cannot be read \(ENOENT\)/);
    await expect(readIdx(folder)).rejects.toThrow(/was expected to be a file/);
  });
});

describe('parseIdx', () => {
  it('views the bytes it is given, wherever they start', () => {
    const shifted = new Uint8Array(whole.length + 3).subarray(3);
    shifted.set(whole);
    const array = parseIdx(shifted, 'images');
    expect(array).toEqual(images);
    expect(array.data.buffer).toBe(shifted.buffer);
  });

  it('refuses what readIdx refuses', () => {
    expect(() => parseIdx(whole.subarray(0, 75), 'images')).toThrow('images is truncated');
    expect(() => parseIdx(new Uint8Array(0), 'images')).toThrow('images is neither');
  });
});
