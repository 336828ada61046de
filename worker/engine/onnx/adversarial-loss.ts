import type { GraphBuilder, Value } from './graph-builder.js';

/**
 * Binary cross-entropy computed from the discriminator's logits. With u = -logit for an example that should be
 * called real and u = +logit for one that should be called fake, its loss is softplus(u) and its derivative by u is
 * sigmoid(u): both without the overflow or cancellation that log(sigmoid) has.
 */
export interface LogitLoss {
  /** softplus(u) */
  readonly losses: Value; // [1, rows]
  /** sigmoid(u): the probability that the discriminator gives to the wrong answer. */
  readonly wrongness: Value; // [1, rows]
  /** dLoss/dLogit of the sum over examples, each divided by `batch`. */
  readonly gradient: Value; // [1, rows]
}

/** An example of the batch: what the loss wants the discriminator to say of it. */
export type Target = 'real' | 'fake';

/**
 * Emits the loss of `logits` [1, targets.length].
 * @param batch what the sum over examples is divided by: the rows of one shard
 */
export function logitLoss(
  graph: GraphBuilder,
  logits: Value,
  targets: readonly Target[],
  batch: number,
): LogitLoss {
  const dims = [1, targets.length];
  const signs = targets.map((target) => (target === 'fake' ? 1 : -1));
  const negated = graph.constant(
    'minus signs',
    dims,
    signs.map((sign) => -sign),
  );
  const shares = graph.constant(
    'signed shares',
    dims,
    signs.map((sign) => sign / batch),
  );
  const minusU = graph.node('Mul', [logits, negated], dims);
  const losses = graph.node('Softplus', [graph.node('Neg', [minusU], dims)], dims);
  // Not the Sigmoid operator, whose CPU kernel ends at +-18: a confident discriminator's gradients are smaller still.
  const denominator = graph.node('Add', [graph.node('Exp', [minusU], dims), graph.scalar(1)], dims);
  const wrongness = graph.node('Reciprocal', [denominator], dims);
  return { losses, wrongness, gradient: graph.node('Mul', [wrongness, shares], dims) };
}
