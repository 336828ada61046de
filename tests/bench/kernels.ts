import { modelLayout, RECIPES, TUTORIAL_MODEL } from '../../proto/index.js';
import { fillNormal } from '../../proto/random.js';
import { adamStep, allocationBytes, loadKernels } from '../../worker/kernels/index.js';
import { timed, type Spread } from './samples.js';

/** Milliseconds of each kernel over all parameters of the tutorial's model. */
export async function measureKernels(repeats: number): Promise<Record<string, Spread>> {
  const n = modelLayout(TUTORIAL_MODEL).parameterCount;
  const recipe = RECIPES['tutorial']?.recipe;
  if (recipe === undefined) throw new Error('the tutorial is a recipe');
  const kernels = await loadKernels({ memoryBytes: 6 * allocationBytes(4 * n) });
  const [floats = 0, ints = 0, other = 0, parameters = 0, m = 0, v = 0] = Array.from({ length: 6 }, () =>
    kernels.allocate(4 * n),
  );
  fillNormal(new Float32Array(kernels.memory.buffer, floats, n), { seed: 1, stream: 'noise' });
  const step = adamStep(1, recipe);
  const measure = (work: () => void): Promise<Spread> => timed(work, repeats, Math.ceil(repeats / 4));
  return {
    'convert and sum': await measure(() => void kernels.quantize(floats, ints, n, 10, 2 ** 20 - 1)),
    'convert, new sum': await measure(() => void kernels.quantize(floats, ints, n, 10, 2 ** 20 - 1, true)),
    'add integers': await measure(() => kernels.addInt32(other, ints, n)),
    'largest integer': await measure(() => void kernels.maxAbsInt32(ints, n)),
    Adam: await measure(
      () => void kernels.adam({ parameters, m, v, ints, n, exponent: 10, shards: 4, step }),
    ),
    'fingerprint (m, v, parameters)': await measure(
      () => void kernels.xxh64(parameters, 3 * allocationBytes(4 * n)),
    ),
  };
}
