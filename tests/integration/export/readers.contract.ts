import { beforeAll, describe, expect, it } from 'vitest';
import type { NetworkName } from '../../../proto/index.js';
import { maxDifference, spread } from '../../unit/export/float64-network.js';
import { MODELS, NETWORKS, trainedModel } from '../../unit/export/trained-model.js';
import { engineImages, engineProbabilities, type EngineOutput } from './engine-outputs.js';
import { exportedFiles } from './exported-files.js';
import type { Reader } from './readers.js';

const COUNT = 1_000;
const TOLERANCE = 1e-5;
const HOOK_TIMEOUT_MS = 60_000;

const ENGINE: Record<NetworkName, typeof engineImages> = {
  generator: engineImages,
  discriminator: engineProbabilities,
};

/** What every reader must find in our files: the function that the engine computes. */
export function describeReaders(readers: readonly Reader[]): void {
  describe.each(NETWORKS)('the exported $model $network', ({ model: name, network }) => {
    const trained = trainedModel(MODELS[name]);
    let files: ReadonlyMap<string, Uint8Array>;
    let engine: EngineOutput;

    beforeAll(async () => {
      files = await exportedFiles(trained);
      engine = await ENGINE[network](trained, COUNT);
      expect(spread(engine.y)).toBeGreaterThan(0.1);
    }, HOOK_TIMEOUT_MS);

    it.each(readers)('by $name gives what the engine gives, 1,000 times', async (reader) => {
      const read = await reader.read(files, network, trained.model);
      expect(maxDifference(await read(engine.x), engine.y)).toBeLessThan(TOLERANCE);
    });
  });
}
