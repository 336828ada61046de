import { describe, expect, it } from 'vitest';
import { OnnxEngine } from '../../../../worker/engine/onnx/index.js';
import { loadOnnxRuntime, type OnnxRuntime } from '../../../../worker/engine/onnx-runtime.js';
import {
  canRunUncopied,
  runUncopied,
  withRefusedOutput,
} from '../../../../worker/engine/onnx/uncopied-run.js';
import { encodeModel } from '../../../../worker/engine/onnx/schema.js';
import type { OnnxGraph } from '../../../../worker/engine/onnx/schema.js';
import { disturbedParameters, emptyUpdate, makeShard, SMALL_MODEL } from '../fixtures.js';

const runtime = loadOnnxRuntime();

/** A runtime whose sessions do something of their own instead of, or before, running. */
function withRun(run: (original: () => Promise<unknown>) => Promise<unknown>): OnnxRuntime {
  const create = async (...call: Parameters<typeof runtime.InferenceSession.create>) => {
    const session = await runtime.InferenceSession.create(...call);
    const original = session.run.bind(session);
    session.run = ((...args: Parameters<typeof original>) =>
      run(() => original(...args))) as typeof session.run;
    return session;
  };
  return { ...runtime, InferenceSession: { create } } as OnnxRuntime;
}

describe('running without copies', () => {
  it('works with the version that is installed', async () => {
    expect(await canRunUncopied(runtime)).toBe(true);
  });

  it('is not relied upon where a refusal comes before the run, or sequences are taken, or sessions fail', async () => {
    const refusal = new Error('Non tensor type is temporarily not supported.');
    expect(await canRunUncopied(withRun(() => Promise.reject(refusal)))).toBe(false);
    expect(await canRunUncopied(withRun(() => Promise.reject(new Error('other'))))).toBe(false);
    expect(await canRunUncopied(withRun(() => Promise.resolve({})))).toBe(false);
  });

  it('gives the same bits as the ordinary way', async () => {
    const { pixels, noise } = makeShard(SMALL_MODEL, 6, 1);
    const parameters = disturbedParameters(SMALL_MODEL, 1);
    const options = { model: SMALL_MODEL, shardBatch: 6, slots: 1, parameters };
    let ordinaryRuns = 0;
    // Refuses the trial alone, the first run of all.
    const refusing = withRun((original) =>
      ordinaryRuns++ === 0 ? Promise.reject(new Error('no')) : original(),
    );
    const updates: Float32Array[][] = [];
    for (const each of [runtime, refusing]) {
      const engine = await OnnxEngine.create('onnx-cpu', 'cpu', each, options);
      const update = [
        emptyUpdate(SMALL_MODEL, 'discriminator'),
        emptyUpdate(SMALL_MODEL, 'generator'),
      ] as const;
      await engine.discriminatorHalf(0, pixels, noise, update[0]);
      await engine.generatorHalf(0, update[1]);
      updates.push([...update]);
      await engine.close();
    }
    expect(ordinaryRuns).toBe(3);
    expect(updates[1]).toEqual(updates[0]);
    expect(updates.flat().every((update) => update.every(Number.isFinite))).toBe(true);
  });

  it('passes on every other error', async () => {
    const graph: OnnxGraph = {
      name: 'g',
      nodes: [{ operator: 'Neg', inputs: ['x'], outputs: ['y'], attributes: {} }],
      inputs: [{ name: 'x', type: 'float32', dims: [2] }],
      outputs: [{ name: 'y', type: 'float32', dims: [2] }],
      initializers: [],
    };
    const session = await runtime.InferenceSession.create(encodeModel(withRefusedOutput(graph)), {
      logSeverityLevel: 4,
    });
    const tensor = (...values: number[]) =>
      new runtime.Tensor('float32', Float32Array.from(values), [values.length]);
    const run = (x: number[]) => runUncopied(session, { x: tensor(...x) }, { y: tensor(0, 0) });
    await expect(run([1, 2, 3])).rejects.toThrow('Got invalid dimensions');
    await expect(run([1, 2])).resolves.toBeUndefined();
    await session.release();
  });
});
