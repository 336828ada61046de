import { describe, expect, it } from 'vitest';
import { initialParameters } from '../../../proto/initial-parameters.js';
import { modelLayout, TUTORIAL_MODEL } from '../../../proto/model.js';
import { fillNormal, fillUniform, permutation, RandomWords, type RandomKey } from '../../../proto/random.js';

const normals = (n: number, key: RandomKey): number[] => {
  const out = new Float32Array(n);
  fillNormal(out, key);
  return [...out];
};
const words = (n: number, key: RandomKey): number[] => {
  const source = new RandomWords(key);
  return Array.from({ length: n }, () => source.next());
};

describe('a random key', () => {
  const key: RandomKey = { seed: 7, stream: 'noise', step: 3, shard: 1 };

  it('gives the same numbers every time, and a longer vector starts with a shorter one', () => {
    expect(normals(9, key)).toEqual(normals(9, key));
    for (let n = 0; n < 9; n++) expect(normals(n, key)).toEqual(normals(9, key).slice(0, n));
  });

  it('gives numbers of its own in every part', () => {
    const top = 2 ** 53 - 1;
    const keys: RandomKey[] = [
      key,
      { ...key, seed: 8 },
      { ...key, seed: 7 + 2 ** 32 },
      { ...key, seed: 7 + 2 ** 52 },
      { ...key, seed: top },
      { ...key, stream: 'parameters' },
      { ...key, stream: 'image-order' },
      { ...key, step: 4 },
      { ...key, step: 3 + 2 ** 32 },
      { ...key, step: top },
      { ...key, shard: 0 },
      { ...key, shard: 3 },
      { ...key, shard: 2 ** 32 - 1 },
      { ...key, step: 1, shard: 3 },
      { seed: 7, stream: 'noise' },
    ];
    const seen = new Set(keys.flatMap((each) => words(8, each)));
    expect(seen.size).toBe(8 * keys.length);
  });

  it('stands at step 0, shard 0 unless told', () => {
    expect(words(4, { seed: 1, stream: 'probe' })).toEqual(
      words(4, { seed: 1, stream: 'probe', step: 0, shard: 0 }),
    );
  });

  it.each([
    ['a negative seed', { ...key, seed: -1 }],
    ['a seed beyond 2^53', { ...key, seed: 2 ** 53 }],
    ['half a step', { ...key, step: 0.5 }],
    ['a shard beyond 2^32', { ...key, shard: 2 ** 32 }],
  ])('is refused with %s', (_, wrong) => {
    expect(() => normals(1, wrong)).toThrow(/broken invariant/);
  });
});

describe('pinned values', () => {
  // A change here changes the bits of every run there has been.
  it('of the words', () => {
    expect(words(4, { seed: 1, stream: 'noise', step: 2, shard: 3 })).toEqual([
      720409990, 1797557313, 3171827055, 2120595323,
    ]);
  });

  it('of the normals', () => {
    expect(normals(6, { seed: 1, stream: 'noise', step: 2, shard: 3 })).toEqual([
      -0.9631603956222534, -0.20566467940807343, 0.6387233138084412, -0.01569320447742939,
      -1.5488464832305908, 0.34456658363342285,
    ]);
  });

  it('of a permutation', () => {
    expect([...permutation(12, { seed: 1, stream: 'image-order' })]).toEqual([
      7, 5, 4, 6, 3, 10, 1, 0, 9, 8, 11, 2,
    ]);
  });

  it('of the parameters', () => {
    const layout = modelLayout(TUTORIAL_MODEL);
    const parameters = initialParameters(layout, 1);
    expect([...parameters.subarray(0, 2), ...parameters.subarray(-2)]).toEqual([
      0.05393076688051224, 0.05776346102356911, 0.016103187575936317, 0.050418052822351456,
    ]);
  });
});

describe('fillUniform', () => {
  it('fills the whole range, evenly', () => {
    const n = 100_000;
    const out = new Float32Array(n);
    fillUniform(out, { seed: 2, stream: 'parameters' }, -3, 5);
    expect(out.every((x) => x >= -3 && x <= 5)).toBe(true);
    const bins = new Array<number>(64).fill(0);
    for (const x of out) bins[Math.min(63, Math.floor(8 * (x + 3)))]! += 1;
    const expected = n / 64;
    const chiSquared = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquared).toBeLessThan(103.4); // 63 degrees of freedom: exceeded by chance once in 1,000
  });
});

describe('RandomWords.below', () => {
  it('is without bias where a plain remainder has one', () => {
    // Three quarters of 2^32. A plain remainder would hit the lowest third of the values twice as often, a product
    // without rejection every third value.
    const bound = 3 * 2 ** 30;
    const source = new RandomWords({ seed: 3, stream: 'probe' });
    const n = 90_000;
    const values = Array.from({ length: n }, () => source.below(bound));
    expect(Math.max(...values.slice(0, 10_000))).toBeLessThan(bound);
    for (const third of [(x: number): number => x % 3, (x: number): number => Math.floor(x / 2 ** 30)]) {
      const counts = [0, 0, 0];
      for (const value of values) counts[third(value)]! += 1;
      const chiSquared = counts.reduce((sum, count) => sum + (count - n / 3) ** 2 / (n / 3), 0);
      expect(chiSquared).toBeLessThan(13.8); // 2 degrees of freedom: exceeded by chance once in 1,000
    }
  });

  it('of one is zero', () => {
    expect(new RandomWords({ seed: 3, stream: 'probe' }).below(1)).toBe(0);
  });
});

describe('permutation', () => {
  const key: RandomKey = { seed: 4, stream: 'image-order' };

  it.each([0, 1, 2, 1_000])('of %i holds every index once', (n) => {
    expect([...permutation(n, key)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
  });

  it('is another one for another pass', () => {
    expect(permutation(100, { ...key, step: 1 })).not.toEqual(permutation(100, key));
  });

  it('gives every order equally often', () => {
    const counts = new Map<string, number>();
    const n = 24_000;
    for (let step = 0; step < n; step++) {
      const order = permutation(4, { ...key, step }).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - n / 24) ** 2 / (n / 24), 0);
    expect(chiSquared).toBeLessThan(49.7); // 23 degrees of freedom: once in 1,000
  });
});

describe('initialParameters', () => {
  const layout = modelLayout(TUTORIAL_MODEL);
  const parameters = initialParameters(layout, 5);

  it('follows from the seed alone', () => {
    const bytes = (seed: number): Buffer => Buffer.from(initialParameters(layout, seed).buffer);
    expect(bytes(5).equals(Buffer.from(parameters.buffer))).toBe(true);
    expect(bytes(6).equals(Buffer.from(parameters.buffer))).toBe(false);
    expect(parameters).toHaveLength(layout.parameterCount);
  });

  it('fills every tensor by its role', () => {
    for (const network of [layout.generator, layout.discriminator]) {
      for (const { name, role, offset, size, fanIn } of network.tensors) {
        const tensor = parameters.subarray(network.offset + offset, network.offset + offset + size);
        if (role === 'gamma') expect(tensor.every((x) => x === 1)).toBe(true);
        else if (role === 'beta') expect(tensor.every((x) => x === 0)).toBe(true);
        else {
          const bound = 1 / Math.sqrt(fanIn);
          const largest = tensor.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
          expect(largest, name).toBeLessThanOrEqual(Math.fround(bound));
          if (size < 100) continue;
          expect(largest, name).toBeGreaterThan(0.9 * bound);
          const meanSquare = tensor.reduce((sum, x) => sum + x * x, 0) / size;
          expect(Math.abs(meanSquare / ((bound * bound) / 3) - 1), name).toBeLessThan(
            5 * Math.sqrt(0.8 / size),
          );
        }
      }
    }
  });

  it('repeats no value pattern from tensor to tensor', () => {
    const scaled = layout.generator.tensors
      .filter(({ role }) => role === 'weight')
      .map(({ offset, fanIn }) => Math.round((parameters[offset] as number) * Math.sqrt(fanIn) * 1e6));
    expect(new Set(scaled).size).toBe(scaled.length);
  });
});
