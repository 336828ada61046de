import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { KernelPair, place } from './kernel-pair.js';

let pair: KernelPair;
let reference: (bytes: Uint8Array) => string;
beforeAll(async () => {
  pair = await KernelPair.load();
  const hasher = await xxhash();
  reference = (bytes) => hasher.h64Raw(bytes).toString(16).padStart(16, '0');
});
beforeEach(() => pair.clear());

const START = place(0);
const hash = (bytes: Uint8Array, address = START): string => {
  pair.putBytes(address, bytes);
  return pair.same((kernels) => kernels.xxh64(address, bytes.length));
};

describe('xxh64', () => {
  it.each([
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
  ])('of %j is the published %s', (text, expected) => {
    expect(hash(new TextEncoder().encode(text))).toBe(expected);
  });

  it('agrees with another implementation for every length up to 200, at any address', () => {
    for (let n = 0; n <= 200; n++) {
      const bytes = Uint8Array.from({ length: n }, (_, i) => (i * i * 31 + n * 7 + 3) & 0xff);
      expect(hash(bytes, START + (n % 17))).toBe(reference(bytes));
    }
  });

  it('agrees on a longer block of bytes with the upper bit set', () => {
    const bytes = Uint8Array.from({ length: 8_191 }, (_, i) => 255 - ((i * 2_654_435_761) >>> 24));
    expect(hash(bytes)).toBe(reference(bytes));
  });

  it('keeps leading zeros', () => {
    const short = Array.from({ length: 4_096 }, (_, i) => Uint8Array.of(i & 0xff, i >>> 8)).find((bytes) =>
      reference(bytes).startsWith('00'),
    );
    expect(short).toBeDefined();
    expect(hash(short as Uint8Array)).toMatch(/^00[0-9a-f]{14}$/);
  });

  it('refuses what lies beyond the memory', () => {
    expect(() => pair.wasm.xxh64(START, 2 ** 30)).toThrow(/broken invariant/);
  });
});
