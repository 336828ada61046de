/** Repeated measurements of one thing. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly repeats: number;
}

/** Median with the smallest and the largest value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number): number => sorted[i] ?? Number.NaN;
  const half = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2,
    low: at(0),
    high: at(sorted.length - 1),
    repeats: sorted.length,
  };
}

/** Milliseconds that `work` takes, `repeats` times after `warmup` times that do not count. */
export async function timed(
  work: () => void | Promise<void>,
  repeats: number,
  warmup: number,
): Promise<Spread> {
  const values: number[] = [];
  for (let i = 0; i < warmup + repeats; i++) {
    const start = performance.now();
    await work();
    if (i >= warmup) values.push(performance.now() - start);
  }
  return spreadOf(values);
}

export const shown = ({ median, low, high }: Spread, digits = 2): string =>
  `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
