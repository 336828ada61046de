/**
 * Log-likelihood of held-out points under a Parzen window: a Gaussian of one standard deviation sigma around each
 * sample. What Goodfellow et al., "Generative adversarial nets" (2014), table 1, and Breuleux et al. (2011) report.
 */

/** Terms that are smaller than the largest by exp(-this) do not change a float64 sum of any length that occurs. */
const NEGLIGIBLE = 45;

/**
 * log p of each point in nats: log sum_i exp(-d_i / 2 sigma^2) - log n - (dimensions / 2) log(2 pi sigma^2), the sum
 * taken relative to its largest term.
 * @param squared squared distances [points, samples], in units of `unit`
 * @param unit squared length of one unit of `squared`: 1 / 255^2 for grey levels when sigma is for pixels in [0, 1]
 * @param out receives a value a point
 */
export function parzenLogLikelihoods(
  squared: ArrayLike<number>,
  samples: number,
  { sigma, unit, dimensions }: { sigma: number; unit: number; dimensions: number },
  out: Float64Array,
): void {
  const scale = unit / (2 * sigma * sigma);
  const constant = Math.log(samples) + (dimensions / 2) * Math.log(2 * Math.PI * sigma * sigma);
  const reach = NEGLIGIBLE / scale;
  for (let point = 0; point < out.length; point++) {
    const start = point * samples;
    let nearest = Infinity;
    for (let i = start; i < start + samples; i++) {
      const distance = squared[i] as number;
      if (distance < nearest) nearest = distance;
    }
    const limit = nearest + reach;
    let sum = 0;
    for (let i = start; i < start + samples; i++) {
      const distance = squared[i] as number;
      if (distance < limit) sum += Math.exp((nearest - distance) * scale);
    }
    out[point] = Math.log(sum) - nearest * scale - constant;
  }
}

/** Those that the code of the GAN paper chooses from; a finer grid would flatter everybody by a nat or two. */
export const SIGMAS: readonly number[] = Array.from({ length: 10 }, (_, i) => 10 ** (i / 9 - 1)); // 0.1 to 1

export interface LogLikelihood {
  /** Mean over the test images. */
  readonly nats: number;
  /** Of that mean. */
  readonly standardError: number;
  /** Chosen on the validation images. */
  readonly sigma: number;
}

/** Mean and its standard error. */
export function meanAndError(values: Float64Array): { mean: number; standardError: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares / (values.length - 1) / values.length) };
}
