/** The early samples come at 10, 20, 50, 100, 200, 500 ... steps. */
const FIRST_SAMPLE_STEP = 10;
const DECADE = [1, 2, 5] as const;

/**
 * Whether a sample grid is drawn when `step` steps are done: at every multiple of `sampleEvery`, and before the first
 * of them at 10, 20, 50, 100, 200, 500 ..., because a generator changes most at first, and so that a run shorter than
 * `sampleEvery` has something to show. Never of the untrained generator (0 steps).
 */
export function isSampleStep(step: number, sampleEvery: number): boolean {
  return step > 0 && nextSampleStep(step - 1, sampleEvery) === step;
}

/**
 * The first sample step above `step`.
 * @param step steps done, a whole number, 0 or more
 * @param sampleEvery steps, a whole number, 1 or more
 */
export function nextSampleStep(step: number, sampleEvery: number): number {
  for (let ten = FIRST_SAMPLE_STEP; ten < sampleEvery; ten *= 10) {
    for (const factor of DECADE) {
      const early = factor * ten;
      if (early > step && early < sampleEvery) return early;
    }
  }
  return (Math.floor(step / sampleEvery) + 1) * sampleEvery;
}
