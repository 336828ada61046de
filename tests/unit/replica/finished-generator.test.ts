import { beforeEach, describe, expect, it } from 'vitest';
import { RECIPES, updateOf, type RunSpec } from '../../../proto/index.js';
import { fillNormal } from '../../../proto/random.js';
import { createEngine } from '../../../worker/engine/index.js';
import { plainKernels } from '../../../worker/kernels/index.js';
import { finishedGenerator } from '../../../worker/replica/finished-generator.js';
import { POPULATION_SHARDS, populationStatistics } from '../../../worker/replica/population-statistics.js';
import { ReplicaState } from '../../../worker/replica/replica-state.js';
import { Reporter } from '../../../worker/replica/reporter.js';
import { stateLayout } from '../../../worker/replica/state-layout.js';
import { UpdateBuffers } from '../../../worker/replica/update-buffers.js';
import { UpdateStep } from '../../../worker/replica/update-step.js';
import { averagingWeight } from '../../../worker/replica/weight-average.js';
import { SMALL_MODEL } from '../engine/fixtures.js';
import { FakeEngine } from './fake-engine.js';

const DECAY = 0.75;
const tutorial = RECIPES['tutorial']?.recipe;
if (tutorial === undefined) throw new Error('the tutorial is a recipe');
const spec = (decay: number | null): RunSpec => ({
  ...{ version: 1, seed: 5, model: SMALL_MODEL, shards: 1, shardBatch: 4 },
  recipe: { ...tutorial, averaging: decay === null ? null : { decay } },
  dataset: { name: 'none', sha256: 'a'.repeat(64), images: 100 },
  ...{ engine: 'fake', engineFingerprint: 'b'.repeat(64) },
});

function replica(run: RunSpec) {
  const layout = stateLayout(run);
  const kernels = plainKernels({ memoryBytes: layout.bytes + UpdateBuffers.bytes(run) + 256 });
  const state = new ReplicaState(layout, kernels);
  state.initialise(run.seed);
  const engine = new FakeEngine();
  const step = new UpdateStep({
    ...{ spec: run, engine, kernels, state, buffers: new UpdateBuffers(kernels, run) },
    ...{ reporter: new Reporter(0), nowMs: () => 0, onPhase: () => undefined },
  });
  const ring = { allReduce: () => Promise.resolve() };
  const own = [{ shard: 0, pixels: Uint8Array.of(0) }];
  const update = (number: number) => step.run(number, own, ring, new AbortController().signal);
  const weights = (): Float32Array => state.parameters.slice(0, layout.model.generator.size);
  return { state, engine, update, weights };
}

describe('averagingWeight', () => {
  it('follows the weights closely at first, and ends at 1 - decay', () => {
    expect(averagingWeight(1, 0.999)).toBe(Math.fround(9 / 11));
    expect(averagingWeight(90, 0.999)).toBe(Math.fround(0.09));
    expect(averagingWeight(1_000_000, 0.999)).toBe(Math.fround(1 - 0.999));
    expect(averagingWeight(1, 0.1)).toBe(Math.fround(0.9));
  });
});

describe('a state whose recipe averages', () => {
  let run: ReturnType<typeof replica>;
  beforeEach(() => {
    run = replica(spec(DECAY));
  });

  it('begins with the initial weights', () => {
    expect(run.state.averages).toEqual(run.weights());
  });

  it("moves the average after each update of G, by what the update left, and not after D's", async () => {
    const expected = run.weights();
    for (let step = 0; step < 3; step++) {
      await run.update(updateOf(step, 'discriminator'));
      expect(run.state.averages).toEqual(expected);
      await run.update(updateOf(step, 'generator'));
      const weight = averagingWeight(step + 1, DECAY);
      run.weights().forEach((value, i) => {
        const old = expected[i] as number;
        expected[i] = old + Math.fround(Math.fround(value - old) * weight);
      });
      expect(run.state.averages).toEqual(expected);
    }
    expect(expected).not.toEqual(run.weights());
  });

  it('keeps the average where an update is skipped', async () => {
    await run.update(0);
    await run.update(1);
    const before = run.state.averages?.slice();
    run.engine.value = () => Number.NaN;
    await run.update(2);
    expect(await run.update(3)).toMatchObject({ skipped: true });
    expect(run.state.averages).toEqual(before);
  });

  it('has the average in its checkpoint and in its fingerprint', async () => {
    await run.update(0);
    await run.update(1);
    const [copy, fingerprint] = [run.state.copy(), run.state.fingerprint()];
    const { averages } = run.state;
    if (averages === null) throw new Error('averages were expected');
    averages[3] = (averages[3] as number) + 1;
    expect(run.state.fingerprint()).not.toBe(fingerprint);
    run.state.restore(copy);
    expect(run.state.fingerprint()).toBe(fingerprint);
  });
});

describe('populationStatistics', () => {
  const layout = stateLayout(spec(null)).model;

  it('is the mean over the shards, with the unbiased variance', async () => {
    const batch = (shard: number): Promise<Float32Array> =>
      Promise.resolve(new Float32Array(layout.statisticCount).fill(shard));
    const found = await populationStatistics(layout, 4, batch);
    const mean = (POPULATION_SHARDS - 1) / 2;
    for (const { offset, role } of layout.statistics)
      expect(found[offset]).toBeCloseTo(role === 'mean' ? mean : (mean * 4) / 3, 4);
  });
});

describe('the finished generator', () => {
  it('is the weights in training with the running statistics where the recipe does not average', async () => {
    const { state, weights } = replica(spec(null));
    expect(state.averages).toBeNull();
    const found = await finishedGenerator(spec(null), state, new FakeEngine());
    expect(found.parameters).toEqual(weights());
    expect(found.statistics).toBe(state.statistics);
  });

  it('is the average with statistics of its own where it does: normalised, its features have mean 0 and variance 1', async () => {
    const run = { ...spec(DECAY), shardBatch: 64 };
    const { state } = replica(run);
    const { averages } = state;
    if (averages === null) throw new Error('averages were expected');
    averages.forEach((value, i) => (averages[i] = 3 * value));
    const engine = await createEngine('onnx-cpu', {
      ...{ model: SMALL_MODEL, shardBatch: 64, slots: 1, parameters: state.parameters },
    });
    const found = await finishedGenerator(run, state, engine);
    expect(found.parameters).toBe(averages);
    expect(found.statistics).not.toEqual(state.statistics);
    // What batch norms see of fresh noise agrees with what was measured.
    const noise = new Float32Array(64 * SMALL_MODEL.generator.inputSize);
    const sums = new Float64Array(found.statistics.length);
    for (let step = 0; step < 200; step++) {
      fillNormal(noise, { seed: 99, stream: 'noise', step });
      (await engine.batchStatistics(noise, averages)).forEach((value, i) => (sums[i]! += value / 200));
    }
    for (const { offset, size, role } of state.layout.model.statistics)
      for (let i = offset; i < offset + size; i++) {
        const own = found.statistics[i]!;
        const variance = role === 'mean' ? found.statistics[i + size]! : own;
        const difference = own - (role === 'variance' ? (sums[i]! * 64) / 63 : sums[i]!);
        expect(Math.abs(difference)).toBeLessThan(0.1 * (role === 'mean' ? Math.sqrt(variance) : variance));
      }
    expect(await finishedGenerator(run, state, engine)).toEqual(found);
    await engine.close();
  });
});
