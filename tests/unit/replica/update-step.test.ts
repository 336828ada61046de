import { beforeEach, describe, expect, it } from 'vitest';
import { RECIPES, limits, updateOf, type ModelDescription, type RunSpec } from '../../../proto/index.js';
import { plainKernels } from '../../../worker/kernels/index.js';
import { ReplicaState } from '../../../worker/replica/replica-state.js';
import { Reporter } from '../../../worker/replica/reporter.js';
import { stateLayout } from '../../../worker/replica/state-layout.js';
import { UpdateBuffers } from '../../../worker/replica/update-buffers.js';
import { UpdateStep, type OwnShard } from '../../../worker/replica/update-step.js';
import { FakeEngine } from './fake-engine.js';

const MODEL: ModelDescription = {
  generator: {
    inputSize: 2,
    layers: [
      { kind: 'dense', units: 3 },
      { kind: 'batchNorm', epsilon: 1e-5, momentum: 0.9 },
      { kind: 'tanh' },
    ],
  },
  discriminator: { inputSize: 3, layers: [{ kind: 'dense', units: 1 }, { kind: 'sigmoid' }] },
};
const SHARDS = 6; // more than contributions are kept for

const recipe = RECIPES['tutorial']?.recipe;
if (recipe === undefined) throw new Error('the tutorial is a recipe');
const spec: RunSpec = {
  version: 1,
  seed: 5,
  model: MODEL,
  recipe,
  dataset: { name: 'none', sha256: 'a'.repeat(64), images: 100 },
  shards: SHARDS,
  shardBatch: 4,
  engine: 'fake',
  engineFingerprint: 'b'.repeat(64),
};

const ring = { allReduce: () => Promise.resolve() };
const own: OwnShard[] = Array.from({ length: SHARDS }, (_, shard) => ({
  shard,
  pixels: Uint8Array.of(shard),
}));

let engine: FakeEngine;
let state: ReplicaState;
let step: UpdateStep;

beforeEach(() => {
  const layout = stateLayout(spec);
  const kernels = plainKernels({
    memoryBytes: layout.bytes + UpdateBuffers.bytes(spec) + 64,
  });
  engine = new FakeEngine();
  state = new ReplicaState(layout, kernels);
  state.initialise(spec.seed);
  const buffers = new UpdateBuffers(kernels, spec);
  step = new UpdateStep({
    ...{ spec, engine, kernels, state, buffers },
    reporter: new Reporter(0),
    nowMs: () => 0,
    onPhase: () => undefined,
  });
});

const run = (update: number) => step.run(update, own, ring, new AbortController().signal);
/** The state but for the header's counters. */
const content = (): string =>
  Buffer.from(state.copy().subarray(state.layout.ranges.discriminator.offset)).toString('hex');

describe('an update', () => {
  it('changes the network it is for, tells the means, and moves on', async () => {
    const before = Float32Array.from(state.parameters);
    const { offset } = state.layout.model.discriminator;
    const first = await run(updateOf(0, 'discriminator'));
    expect(first).toMatchObject({ update: 0, skipped: false, skippedSteps: 0, redos: 0 });
    // Scalars follow the 4 gradients of D: the mean over shards 1 .. 6 of 2^-10 x (index + 1).
    expect(first.scalars[0]).toBeCloseTo(3.5 * 2 ** -10 * 5, 6);
    expect(state.parameters.subarray(0, offset)).toEqual(before.subarray(0, offset));
    expect(state.parameters.subarray(offset).every((value, i) => value < (before[offset + i] ?? 0))).toBe(
      true,
    );
    await run(updateOf(0, 'generator'));
    expect(state.parameters.subarray(0, offset).every((value, i) => value < (before[i] ?? 0))).toBe(true);
    expect(state.get('nextUpdate')).toBe(2);
    expect([state.get('discriminatorAdamSteps'), state.get('generatorAdamSteps')]).toEqual([1, 1]);
  });

  it('folds the batch statistics in with the discriminator', async () => {
    await run(0);
    // Elements 7 .. 9 of the contribution are the batch mean, 10 .. 12 the biased variance; B = 4.
    const mean = 3.5 * 2 ** -10;
    expect(state.statistics[0]).toBeCloseTo(0.1 * mean * 8, 6);
    expect(state.statistics[3]).toBeCloseTo(0.9 + 0.1 * mean * 11 * (4 / 3), 6);
  });

  it('is redone with lower exponents when something does not fit, computing again only what was not kept', async () => {
    engine.value = (shard, index) => (index === 0 ? 1_000 : (shard + 1) * 2 ** -10);
    const row = await run(0);
    expect(row).toMatchObject({ skipped: false, redos: 1 });
    // All six once, then again those whose buffers were taken by others.
    expect(engine.calls.slice(0, 6)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4', 'd5']);
    expect(engine.calls.length).toBeGreaterThan(6);
    expect(engine.calls.length).toBeLessThanOrEqual(12);
    expect(state.ranges('discriminator')[0]?.exponent).toBeLessThan(30);
  });

  it('gives the same bits whether a shard was kept or computed again', async () => {
    engine.value = (shard, index) => (index === 0 ? 1_000 + shard : (shard + 1) * 2 ** -10 * index);
    await run(0);
    const together = content();
    state.initialise(spec.seed);
    await step.run(0, [...own].reverse(), ring, new AbortController().signal);
    expect(content()).toBe(together);
  });

  it('changes nothing when a gradient is not finite, and counts steps with a skip once', async () => {
    const before = content();
    engine.value = (shard, index) => (shard === 2 && index === 1 ? Number.NaN : 2 ** -10);
    expect(await run(0)).toMatchObject({ skipped: true, skippedSteps: 1, scalars: [null, null, null] });
    expect(await run(1)).toMatchObject({ skipped: true, skippedSteps: 1, scalars: [null] });
    expect(content()).toBe(before);
    expect(await run(2)).toMatchObject({ skippedSteps: 2 });
    engine.value = () => 2 ** -10;
    expect(await run(3)).toMatchObject({ skipped: false, skippedSteps: 2 });
    await run(4);
    expect(await run(5)).toMatchObject({ skipped: false, skippedSteps: 0 });
    expect(limits.maxSkippedSteps).toBeGreaterThan(2);
  });

  it('computes the first half again for a shard it takes over for the second', async () => {
    await step.run(0, own.slice(0, 2), ring, new AbortController().signal);
    engine.calls.length = 0;
    await step.run(1, own.slice(0, 3), ring, new AbortController().signal);
    expect(engine.calls).toEqual(['g0', 'g1', 'd2', 'g2']);
  });

  it('applies nothing once the ring epoch is over', async () => {
    const before = content();
    const leave = new AbortController();
    const ending = { allReduce: () => Promise.resolve(leave.abort()) };
    await expect(step.run(0, own, ending, leave.signal)).rejects.toThrow();
    expect(content()).toBe(before);
    expect(state.get('nextUpdate')).toBe(0);
  });
});

describe('a state', () => {
  it('comes back from its own copy, with the same fingerprint', async () => {
    await run(0);
    const copy = state.copy();
    const fingerprint = state.fingerprint();
    await run(1);
    expect(state.fingerprint()).not.toBe(fingerprint);
    state.restore(copy);
    expect(state.fingerprint()).toBe(fingerprint);
  });

  it('refuses a checkpoint of another size or version', () => {
    expect(() => state.restore(new Uint8Array(10))).toThrow(/a state of \d+ bytes was expected, found 10/);
    expect(() => state.restore(new Uint8Array(state.layout.bytes))).toThrow(
      /version 1 was expected, found 0/,
    );
  });

  it('has another fingerprint after any single bit flip', () => {
    const fingerprint = state.fingerprint();
    for (const part of ['parameters', 'm', 'v', 'statistics'] as const) {
      const copy = state.copy();
      const at = state.layout[part];
      copy[at] = (copy[at] ?? 0) ^ 1;
      const kept = state.copy();
      state.restore(copy);
      expect(state.fingerprint()).not.toBe(fingerprint);
      state.restore(kept);
    }
    expect(state.fingerprint()).toBe(fingerprint);
  });
});
