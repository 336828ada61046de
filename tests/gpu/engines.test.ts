import { describe, expect, it } from 'vitest';
import { TUTORIAL_MODEL, modelLayout } from '../../proto/index.js';
import { initialParameters } from '../../proto/initial-parameters.js';
import { createEngine, createExactEngine } from '../../worker/engine/index.js';
import { describeEngine } from '../contract/engine.contract.js';
import { gpuEngines } from './gpu-engines.js';

const usable = (await gpuEngines()).filter((probe) => probe.usable);

// The contract compares with a float64 reference, closely enough to tell TensorFloat-32 from float32.
for (const { name } of usable) describeEngine(name, (options) => createEngine(name, options));

describe.each(usable)('engine $name at the size of the tutorial', ({ name, devices }) => {
  const layout = modelLayout(TUTORIAL_MODEL);
  const parameters = initialParameters(layout, 1);

  it('has the same bits on every card of a kind, and again', { timeout: 600_000 }, async () => {
    const cards = devices.length === 0 ? [undefined, undefined] : [...devices, devices[0]];
    const fingerprints: string[] = [];
    for (const device of cards) {
      const options = { model: TUTORIAL_MODEL, shardBatch: 32, slots: 1, parameters };
      const { engine, fingerprint, firstShardMs } = await createExactEngine(
        name,
        device === undefined ? options : { ...options, device },
        1,
        [],
      );
      await engine.close();
      process.stdout.write(`${name} on ${device ?? 'its GPU'}: first shard ${firstShardMs.toFixed(0)} ms\n`);
      fingerprints.push(fingerprint);
    }
    expect(fingerprints.at(-1)).toBe(fingerprints[0]);
    // Cards of different kinds may differ: then a run refuses all but the first one's.
    if (new Set(fingerprints).size > 1)
      process.stdout.write(`${name}: fingerprints differ from card to card: ${fingerprints.join(', ')}\n`);
  });
});
