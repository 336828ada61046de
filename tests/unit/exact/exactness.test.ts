import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillNormal, permutation } from '../../../proto/random.js';
import { shardLimit, tensorMeans, type TensorRange } from '../../../worker/exact/index.js';
import { loadKernels } from '../../../worker/kernels/index.js';
import { first, reduce, smallLayout } from './cluster.js';

const layout = smallLayout();
const scalars = layout.gradientTensorCount;
const MAX_FLOAT = 3.4028234663852886e38;

/** Shards with a magnitude of its own for each tensor. */
function shardsOf(count: number, seed: number, magnitudes: readonly number[]): Float32Array[] {
  return Array.from({ length: count }, (_, shard) => {
    const values = new Float32Array(layout.floatLength);
    fillNormal(values, { seed, stream: 'probe', shard });
    for (const [i, { offset, size }] of layout.tensors.entries())
      for (let j = offset; j < offset + size; j++)
        values[j] = (values[j] as number) * 2 ** (magnitudes[i % magnitudes.length] as number);
    return values;
  });
}

/** In float64, to 2^-53 of the largest shard's value. */
const meanAt = (shards: readonly Float32Array[], i: number): number =>
  shards.reduce((sum, shard) => sum + (shard[i] as number), 0) / shards.length;

function expectWithinHalfQuantum(
  shards: readonly Float32Array[],
  means: Float64Array,
  ranges: readonly TensorRange[],
): void {
  for (const [t, { offset, size }] of layout.tensors.entries()) {
    const half = 2 ** -(ranges[t] as TensorRange).exponent / 2;
    for (let i = offset; i < offset + size; i++) {
      const float64Error =
        shards.reduce((largest, shard) => Math.max(largest, Math.abs(shard[i] as number)), 0) * 2 ** -50;
      expect(Math.abs((means[i] as number) - meanAt(shards, i))).toBeLessThanOrEqual(half + float64Error);
    }
  }
}

describe('the reduced mean', () => {
  it.each([1, 2, 3, 4, 7, 64])('of %i shards is within half a quantum of the float64 mean', (count) => {
    let ranges: readonly TensorRange[] = first(layout);
    for (let update = 0; update < 5; update++) {
      const shards = shardsOf(count, update, [-8, -3, -12, -20, 0, 2]);
      const outcome = reduce(layout, ranges, shards);
      expect(outcome.kind).toBe('accept');
      expectWithinHalfQuantum(shards, outcome.means, outcome.ranges);
      ranges = outcome.next;
    }
  });

  it('is within 2^-24 of the tracked magnitude for four shards, once that is known', () => {
    let ranges: readonly TensorRange[] = first(layout);
    for (let update = 0; update < 3; update++)
      ranges = reduce(layout, ranges, shardsOf(4, update, [-9, -2])).next;
    for (const { exponent, magnitude } of ranges)
      expect(2 ** -exponent / 2).toBe(2 ** ((magnitude as number) - 24));
  });

  it('holds for any finite float32', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(
        fc.array(fc.array(float, { minLength: layout.floatLength, maxLength: layout.floatLength }), {
          minLength: 1,
          maxLength: 5,
        }),
        (values) => {
          const shards = values.map((value) => Float32Array.from(value));
          const outcome = reduce(layout, first(layout), shards);
          expect(outcome.kind).toBe('accept');
          expectWithinHalfQuantum(shards, outcome.means, outcome.ranges);
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });
});

describe('the integers', () => {
  it('do not depend on who sums which shards, in which order', () => {
    const shards = shardsOf(7, 3, [-8, 1, -3]);
    const alone = reduce(layout, first(layout), shards);
    expect(alone.redos).toBeGreaterThan(0);
    for (let world = 1; world <= 7; world++) {
      for (let seed = 0; seed < 5; seed++) {
        const order = [...permutation(7, { seed, stream: 'probe', step: world })];
        const owners = Array.from({ length: world }, (_, rank) => order.filter((_, i) => i % world === rank));
        const shared = reduce(layout, first(layout), shards, owners);
        expect(shared.sums).toEqual(alone.sums);
        expect(shared.next).toEqual(alone.next);
        expect(shared.redos).toBe(alone.redos);
      }
    }
  });

  it('are the same from both twins of the kernels', async () => {
    const shards = shardsOf(4, 5, [-8, 1, -3]);
    const plain = reduce(layout, first(layout), shards);
    const wasm = reduce(layout, first(layout), shards, undefined, await loadKernels({ memoryBytes: 65_536 }));
    expect(wasm).toEqual(plain);
  });

  it.each([1, 2, 3, 4, 7, 64, 4_096])('of %i shards at the limit do not overflow', (count) => {
    const limit = shardLimit(count);
    // Exponent 0 and the largest float32 that fits, all of one sign.
    const largest = limit < 2 ** 24 ? limit : limit + 1 - (limit + 1) / 2 ** 24;
    const ranges = first(layout).map((range) => ({ ...range, exponent: 0 }));
    for (const sign of [1, -1]) {
      const shard = new Float32Array(layout.floatLength).fill(sign * largest);
      const { kind, redos, sums } = reduce(
        layout,
        ranges,
        Array.from({ length: count }, () => shard),
      );
      expect({ kind, redos }).toEqual({ kind: 'accept', redos: 0 });
      expect(sums[0]).toBe(sign * largest * count);
    }
  });
});

describe('finding a range', () => {
  const only = (tensor: number, value: number): Float32Array => {
    const shard = new Float32Array(layout.floatLength);
    const { offset, size } = layout.tensors[tensor] as { offset: number; size: number };
    return shard.fill(value, offset, offset + size);
  };

  it('redoes with a lower exponent until the values fit, for that tensor alone', () => {
    // L = 29: at exponent 30 up to 1/2 fits, at 14 up to 2^15, at -2 up to 2^31.
    const shards = [only(scalars, 2 ** 20), only(scalars, 3), only(scalars, 0), only(scalars, -1)];
    const outcome = reduce(layout, first(layout), shards);
    expect(outcome).toMatchObject({ kind: 'accept', redos: 2 });
    expect(outcome.ranges.map(({ exponent }) => exponent)).toEqual(
      layout.tensors.map((_, i) => (i === scalars ? -2 : 30)),
    );
    expect(outcome.next[scalars]).toEqual({ exponent: 29 - 6 - 19, magnitude: 19 });
    expectWithinHalfQuantum(shards, outcome.means, outcome.ranges);
  });

  it('saturates when one shard alone does not fit, though the mean would', () => {
    const shards = [only(0, 1), only(0, -1), only(0, 0), only(0, 0)];
    const outcome = reduce(layout, first(layout), shards);
    expect(outcome.redos).toBe(1);
    expect(outcome.means.every((mean) => mean === 0)).toBe(true);
  });

  it.each([1, 4, 4_096])(
    'takes the largest float32 from the highest exponent within 20 redos (%i shards)',
    (count) => {
      const ranges = first(layout).map((range) => ({ ...range, exponent: 126 }));
      const shard = only(0, MAX_FLOAT);
      const outcome = reduce(
        layout,
        ranges,
        Array.from({ length: count }, () => shard),
      );
      expect(outcome.kind).toBe('accept');
      expect(outcome.redos).toBeLessThanOrEqual(20);
      expect(outcome.redos).toBeGreaterThan(10);
      const next = reduce(
        layout,
        outcome.next,
        Array.from({ length: count }, () => shard),
      );
      expect(next.redos).toBe(0);
    },
  );

  it('raises the exponent of zeros until tiny values show', () => {
    let ranges: readonly TensorRange[] = first(layout);
    const shards = [only(0, 2 ** -60), only(0, 2 ** -60)];
    const exponents = [];
    for (let update = 0; update < 5; update++) {
      const outcome = reduce(layout, ranges, shards);
      ranges = outcome.next;
      exponents.push(ranges[0]?.exponent);
    }
    expect(exponents).toEqual([46, 62, 30 - 6 + 60, 84, 84]);
    expect(ranges[1]?.exponent).toBe(110);
  });

  it.each([NaN, Infinity, -Infinity])('skips the update for %d and changes no range', (value) => {
    const stored = reduce(layout, first(layout), shardsOf(3, 1, [-4])).next;
    const shards = shardsOf(3, 2, [-4]);
    (shards[1] as Float32Array)[5] = value;
    (shards[2] as Float32Array)[9] = 1e30; // saturates in the same attempt
    const outcome = reduce(layout, stored, shards);
    expect(outcome).toMatchObject({ kind: 'skip', redos: 0 });
    expect(outcome.next).toBe(stored);
  });
});

describe('tensorMeans', () => {
  it('reads the scalars and the statistics out of the reduced vector', () => {
    const shards = [1, 2, 3].map((x) => {
      const shard = new Float32Array(layout.floatLength);
      shard.set([x, 2 * x, -x], layout.scalarOffset);
      return shard.fill(x / 4, layout.statisticsOffset);
    });
    const { sums, ranges } = reduce(layout, first(layout), shards);
    expect([...tensorMeans(layout, sums, ranges, 3, layout.scalarOffset, 3)]).toEqual([2, 4, -2]);
    const statistics = tensorMeans(layout, sums, ranges, 3, layout.statisticsOffset, layout.statisticsLength);
    expect([...statistics]).toEqual(Array.from({ length: layout.statisticsLength }, () => 0.5));
  });

  it('refuses a part of a tensor', () => {
    const { sums, ranges } = reduce(layout, first(layout), shardsOf(2, 1, [0]));
    expect(() => tensorMeans(layout, sums, ranges, 2, layout.scalarOffset, 2)).toThrow(/broken invariant/);
  });
});
