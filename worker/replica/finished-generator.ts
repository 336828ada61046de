import type { RunSpec } from '../../proto/index.js';
import { fillNormal } from '../../proto/random.js';
import type { Engine, GeneratorWeights } from '../engine/index.js';
import { populationStatistics } from './population-statistics.js';
import type { ReplicaState } from './replica-state.js';

/**
 * The generator as people take it home: the weights as the last update left them with the running statistics, or, where
 * the recipe averages, the average of them with statistics of its own, over noise that follows from the run's seed. A function
 * of the state alone. The weights are views of the state, valid until its next update.
 */
export async function finishedGenerator(
  spec: Pick<RunSpec, 'seed' | 'shardBatch' | 'model'>,
  state: ReplicaState,
  engine: Pick<Engine, 'batchStatistics'>,
): Promise<GeneratorWeights> {
  const { model } = state.layout;
  const { offset, size } = model.generator;
  const { averages, statistics } = state;
  if (averages === null) return { parameters: state.parameters.subarray(offset, offset + size), statistics };
  const noise = new Float32Array(spec.shardBatch * spec.model.generator.inputSize);
  const batchOf = (shard: number): Promise<Float32Array> => {
    fillNormal(noise, { seed: spec.seed, stream: 'statistics', shard });
    return engine.batchStatistics(noise, averages);
  };
  return { parameters: averages, statistics: await populationStatistics(model, spec.shardBatch, batchOf) };
}
