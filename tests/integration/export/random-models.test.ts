import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NETWORK_NAMES } from '../../../proto/index.js';
import { float64Output, maxDifference } from '../../unit/export/float64-network.js';
import { inputRows, trainedModel } from '../../unit/export/trained-model.js';
import { exportedFiles } from './exported-files.js';
import { randomModel } from './random-model.js';
import { READERS } from './readers.js';

const ROWS = 20;
/** In 300 models the largest difference was 1.9e-6. */
const TOLERANCE = 1e-5;

it('exports any model to all formats alike', async () => {
  await fc.assert(
    fc.asyncProperty(randomModel, async (model) => {
      const trained = trainedModel(model);
      const files = await exportedFiles(trained);
      for (const network of NETWORK_NAMES) {
        const x = inputRows(model, network, ROWS);
        const expected = float64Output(trained, network, x);
        for (const reader of READERS) {
          const read = await reader.read(files, network, model);
          expect(maxDifference(await read(x), expected), reader.name).toBeLessThan(TOLERANCE);
        }
      }
    }),
    { seed: 1, numRuns: 40 },
  );
});
