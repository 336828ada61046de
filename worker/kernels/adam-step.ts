import { invariant } from '../../proto/index.js';
import type { AdamStep } from './kernels.js';

export interface AdamOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/**
 * Adam's constants for its t-th update (Kingma and Ba, 2015), t from 1. The betas are rounded to float32 first and the
 * corrections follow from the rounded ones, so that the weights of the averages add up to one. Powers are taken by
 * squaring in float64: + - x / sqrt only, the same bits in every JavaScript engine.
 */
export function adamStep(t: number, options: AdamOptions): AdamStep {
  invariant(Number.isSafeInteger(t) && t >= 1, `Adam's updates are counted from 1: ${t}`);
  const beta1 = Math.fround(options.beta1);
  const beta2 = Math.fround(options.beta2);
  invariant(
    beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1,
    `betas from 0 to below 1: ${beta1}, ${beta2}`,
  );
  return {
    beta1,
    beta2,
    epsilon: Math.fround(options.epsilon),
    stepSize: Math.fround(options.learningRate / (1 - power(beta1, t))),
    inverseSqrtCorrection2: Math.fround(1 / Math.sqrt(1 - power(beta2, t))),
  };
}

function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}
