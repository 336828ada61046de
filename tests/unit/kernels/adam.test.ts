import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fillNormal, fillUniform } from '../../../proto/random.js';
import { adamStep, loadKernels, type AdamStep } from '../../../worker/kernels/index.js';
import { KernelPair, place } from './kernel-pair.js';

const TUTORIAL = { learningRate: 2e-4, beta1: 0.5, beta2: 0.999, epsilon: 1e-8 };
const P = place(0);
const M = place(1);
const V = place(2);
const INTS = place(3);

let pair: KernelPair;
beforeAll(async () => {
  pair = await KernelPair.load();
});
beforeEach(() => pair.clear());

interface Case {
  readonly p: ArrayLike<number>;
  readonly m: ArrayLike<number>;
  readonly v: ArrayLike<number>;
  readonly sums: ArrayLike<number>;
  readonly exponent: number;
  readonly shards: number;
  readonly step: AdamStep;
}

function update({ p, m, v, sums, exponent, shards, step }: Case, offsets = [0, 0, 0, 0]): number {
  const [parameters, first, second, ints] = [P, M, V, INTS].map((at, i) => at + (offsets[i] as number)) as [
    number,
    number,
    number,
    number,
  ];
  pair.putFloats(parameters, p);
  pair.putFloats(first, m);
  pair.putFloats(second, v);
  pair.putInts(ints, sums);
  const n = sums.length;
  return pair.same((kernels) =>
    kernels.adam({ parameters, m: first, v: second, ints, n, exponent, shards, step }),
  );
}

describe('adam', () => {
  it('does the first update by hand', () => {
    // g = 8 / 2^4 / 2 = 1/4: m = 1/8, v = 1/1024 x 1/16; p -= 1/2 x 1/8 / (sqrt(v) x 128 + 1).
    const step = { beta1: 0.5, beta2: 1 - 2 ** -10, epsilon: 1, stepSize: 0.5, inverseSqrtCorrection2: 128 };
    update({ p: [1], m: [0], v: [0], sums: [8], exponent: 4, shards: 2, step });
    expect(pair.floats(M, 1)).toEqual([1 / 8]);
    expect(pair.floats(V, 1)).toEqual([2 ** -14]);
    expect(pair.floats(P, 1)).toEqual([1 - 1 / 32]);
  });

  it('moves every element by about the learning rate in the first update, whatever the gradient', () => {
    const sums = [1, -1, 1_000, -12_345_678, 2 ** 31 - 1];
    const zeros = sums.map(() => 0);
    const largest = update({
      ...{ p: zeros, m: zeros, v: zeros, sums },
      ...{ exponent: 0, shards: 4, step: adamStep(1, TUTORIAL) },
    });
    expect(largest).toBe(2 ** 31 - 1);
    for (const [i, p] of pair.floats(P, sums.length).entries())
      expect(p / -Math.sign(sums[i] as number)).toBeCloseTo(2e-4, 8);
  });

  it('leaves no denormal in m or v, and no bit of a parameter to them', () => {
    const denormal = 2 ** -130;
    const smallest = 2 ** -126;
    const step = { ...adamStep(9, TUTORIAL), beta1: 0.5, beta2: 0.5 };
    update({
      p: [1, 1, 1, 1, 1],
      m: [denormal, -denormal, 2 * smallest, smallest, 0],
      v: [denormal, 0, 2 * smallest, smallest, 0],
      sums: [0, 0, 0, 0, 0],
      exponent: 0,
      shards: 1,
      step,
    });
    expect(pair.floats(M, 5)).toEqual([0, 0, smallest, 0, 0]);
    expect(pair.floats(V, 5)).toEqual([0, 0, smallest, 0, 0]);
    expect(pair.floats(P, 5)).toEqual([1, 1, 1, 1, 1]);
  });

  it('never turns a gradient, however large, into NaN', () => {
    const sums = [2 ** 31 - 1, -(2 ** 31), 2 ** 20, 1, 0];
    const state = { p: [1, 1, 1, 1, 1], m: [0, 0, 0, 0, 0], v: [0, 0, 0, 0, 0] };
    for (const exponent of [-126, -110, -63, 0, 63, 126]) {
      update({ ...state, sums, exponent, shards: 1, step: adamStep(1, TUTORIAL) });
      expect(pair.floats(P, 5).every(Number.isFinite)).toBe(true);
      expect(pair.floats(M, 5).every(Number.isFinite)).toBe(true);
    }
  });

  const anyFloat = fc.float({ noNaN: true, noDefaultInfinity: true });
  const element = fc.record({
    p: anyFloat,
    m: anyFloat,
    v: anyFloat.map(Math.abs),
    sum: fc.oneof(fc.integer(), fc.integer({ min: -300, max: 300 })),
  });
  const offset = fc.constantFrom(0, 4, 8, 12);

  it('is the same bits in both twins for any length, offset, state and gradient', () => {
    fc.assert(
      fc.property(
        fc.array(element, { maxLength: 70 }),
        fc.integer({ min: -126, max: 126 }),
        fc.integer({ min: 1, max: 4_096 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.tuple(offset, offset, offset, offset),
        (elements, exponent, shards, t, offsets) => {
          pair.clear();
          const [p, m, v, sums] = (['p', 'm', 'v', 'sum'] as const).map((key) =>
            elements.map((e) => e[key]),
          ) as [number[], number[], number[], number[]];
          update({ p, m, v, sums, exponent, shards, step: adamStep(t, TUTORIAL) }, offsets);
        },
      ),
      { seed: 4, numRuns: 1_500 },
    );
  });
});

describe('adamStep', () => {
  const float64 = (t: number): [number, number] => [
    2e-4 / (1 - Math.fround(0.5) ** t),
    1 / Math.sqrt(1 - Math.fround(0.999) ** t),
  ];

  it.each([1, 2, 3, 10, 63, 64, 1_000, 12_345, 1_000_000])('has the bias corrections of update %i', (t) => {
    const step = adamStep(t, TUTORIAL);
    const [stepSize, correction] = float64(t);
    expect(Math.abs(step.stepSize / stepSize - 1)).toBeLessThan(2 ** -23);
    expect(Math.abs(step.inverseSqrtCorrection2 / correction - 1)).toBeLessThan(2 ** -23);
    for (const value of Object.values(step)) expect(Math.fround(value as number)).toBe(value);
  });

  it('takes betas of zero', () => {
    expect(adamStep(7, { ...TUTORIAL, beta1: 0, beta2: 0 })).toMatchObject({
      stepSize: Math.fround(2e-4),
      inverseSqrtCorrection2: 1,
    });
  });

  it.each([0, -1, 1.5, NaN])('refuses t = %d', (t) => {
    expect(() => adamStep(t, TUTORIAL)).toThrow(/counted from 1/);
  });

  it('refuses a beta that float32 rounds to one', () => {
    expect(() => adamStep(1, { ...TUTORIAL, beta2: 1 - 1e-9 })).toThrow(/betas from 0 to below 1/);
  });
});

/**
 * Adam as published, in float64, with the betas as a user writes them, over 1,000 updates of the same gradients. The
 * measure is the largest difference of a parameter over how far the parameters have moved (the largest movement of the
 * tensor). Float32 parameters can do no better than their own spacing, so tensors start as the networks' do.
 */
describe('adam against float64 over 1,000 updates', () => {
  const N = 509; // no multiple of four
  const STEPS = 1_000;
  const SHARDS = 4;
  const EXPONENT = 32;

  async function worstDifference(
    start: Float32Array,
    gradientAt: (t: number) => Float32Array,
  ): Promise<{ relative: number; absolute: number; movement: number }> {
    const kernels = await loadKernels({ memoryBytes: 16 * 4 * (N + 16) });
    const [parameters, m, v, ints] = Array.from({ length: 4 }, () => kernels.allocate(4 * N)) as [
      number,
      number,
      number,
      number,
    ];
    const p32 = new Float32Array(kernels.memory.buffer, parameters, N);
    const sums = new Int32Array(kernels.memory.buffer, ints, N);
    p32.set(start);
    const p64 = Float64Array.from(start);
    const m64 = new Float64Array(N);
    const v64 = new Float64Array(N);
    for (let t = 1; t <= STEPS; t++) {
      const gradient = gradientAt(t);
      for (let i = 0; i < N; i++) sums[i] = Math.round((gradient[i] as number) * SHARDS * 2 ** EXPONENT);
      kernels.adam({
        parameters,
        m,
        v,
        ints,
        n: N,
        exponent: EXPONENT,
        shards: SHARDS,
        step: adamStep(t, TUTORIAL),
      });
      for (let i = 0; i < N; i++) {
        const g = ((sums[i] as number) * 2 ** -EXPONENT) / SHARDS;
        m64[i] = 0.5 * (m64[i] as number) + 0.5 * g;
        v64[i] = 0.999 * (v64[i] as number) + 0.001 * g * g;
        const mHat = (m64[i] as number) / (1 - 0.5 ** t);
        const vHat = (v64[i] as number) / (1 - 0.999 ** t);
        p64[i] = (p64[i] as number) - (2e-4 * mHat) / (Math.sqrt(vHat) + 1e-8);
      }
    }
    let absolute = 0;
    let movement = 0;
    for (let i = 0; i < N; i++) {
      absolute = Math.max(absolute, Math.abs((p32[i] as number) - (p64[i] as number)));
      movement = Math.max(movement, Math.abs((p64[i] as number) - (start[i] as number)));
    }
    return { relative: absolute / movement, absolute, movement };
  }

  /** Noise about a drift of its own for each element, over six orders of magnitude, shrinking as training goes on. */
  const normals = (step: number): Float32Array => {
    const out = new Float32Array(N);
    fillNormal(out, { seed: 11, stream: 'probe', step });
    return out;
  };
  const drift = normals(0);
  const size = normals(STEPS + 1).map((z) => 1e-4 * 10 ** Math.max(-3, Math.min(2, z)));
  const gradientAt = (t: number): Float32Array =>
    normals(t).map((z, i) => ((size[i] as number) * (z + (drift[i] as number))) / (1 + t / 300));

  it('stays within 1e-5 of the movement for weights', async () => {
    const start = new Float32Array(N);
    fillUniform(start, { seed: 12, stream: 'probe' }, -1 / 28, 1 / 28);
    const { relative, movement } = await worstDifference(start, gradientAt);
    expect(movement).toBeGreaterThan(0.05);
    expect(relative).toBeLessThan(1e-5);
  });

  it('stays within 1e-5 of the parameter for batch norm scales, where float32 is coarser', async () => {
    const { absolute } = await worstDifference(new Float32Array(N).fill(1), gradientAt);
    expect(absolute).toBeLessThan(1e-5);
  });
});
