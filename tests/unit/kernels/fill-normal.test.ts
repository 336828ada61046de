import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RandomKey } from '../../../proto/random.js';
import { KernelPair, place } from './kernel-pair.js';

let pair: KernelPair;
beforeAll(async () => {
  pair = await KernelPair.load();
});
beforeEach(() => pair.clear());

describe('fillNormal', () => {
  it.each([0, 1, 2, 3, 4, 5, 7, 8, 401])('fills %i floats like its twin, and nothing beyond', (n) => {
    pair.same((kernels) =>
      kernels.fillNormal(place(0, 4), n, { seed: 3, stream: 'noise', step: 2, shard: 1 }),
    );
  });

  it('takes every part of a key like its twin, up to its largest', () => {
    const keys: RandomKey[] = [
      { seed: 0, stream: 'noise' },
      { seed: Number.MAX_SAFE_INTEGER, stream: 'samples', step: Number.MAX_SAFE_INTEGER, shard: 2 ** 32 - 1 },
      { seed: 2 ** 32, stream: 'noise', step: 2 ** 32, shard: 2 ** 31 },
      { seed: 2 ** 31, stream: 'generate', step: 2 ** 31, shard: 1 },
    ];
    const firsts = keys.map((key) => {
      pair.same((kernels) => kernels.fillNormal(place(0), 64, key));
      return pair.floats(place(0), 1)[0];
    });
    expect(new Set(firsts).size).toBe(keys.length);
  });

  it('has the same bits as its twin in the middle and far out in both tails', () => {
    let largest = 0;
    let smallest = 0;
    for (let step = 0; step < 300; step++) {
      pair.same((kernels) => kernels.fillNormal(place(0), 500, { seed: 9, stream: 'probe', step }));
      const values = pair.floats(place(0), 500);
      largest = Math.max(largest, ...values);
      smallest = Math.min(smallest, ...values);
    }
    expect(largest).toBeGreaterThan(4);
    expect(smallest).toBeLessThan(-4);
  });
});
