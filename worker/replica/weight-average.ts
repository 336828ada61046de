/**
 * How far the t-th update of the generator, t from 1, draws the average of its weights towards them: 1 - decay, and more
 * while there are few updates to average over (the warm-up of TensorFlow's ExponentialMovingAverage, with its
 * num_updates = t).
 */
export function averagingWeight(t: number, decay: number): number {
  return Math.fround(1 - Math.min(decay, (1 + t) / (10 + t)));
}
