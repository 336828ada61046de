import type { GraphBuilder, Value } from './graph-builder.js';

/**
 * Binary cross-entropy computed from the discriminator's logits. With u = -logit for an example that should be
 * called real and u = +logit for one that should be called fake, its loss is softplus(u) and its derivative by u is
 * sigmoid(u): both without the overflow or cancellation that log(sigmoid) has. A target that leaves a doubt d (of 0.9 the
 * doubt is 0.1) takes d u from the loss and d from the derivative.
 */
export interface LogitLoss {
  /** softplus(u) - d u */
  readonly losses: Value; // [1, rows]
  /** sigmoid(u): the probability that the discriminator gives to the wrong answer. */
  readonly wrongness: Value; // [1, rows]
  /** dLoss/dLogit of the sum over examples, each divided by `batch`. */
  readonly gradient: Value; // [1, rows]
}

/**
 * Emits the loss of `logits` [1, targets.length].
 * @param targets for each example the probability of being real that the loss wants the discriminator to give it
 * @param batch what the sum over examples is divided by: the rows of one shard
 */
export function logitLoss(
  graph: GraphBuilder,
  logits: Value,
  targets: readonly number[],
  batch: number,
): LogitLoss {
  const dims = [1, targets.length];
  const signs = targets.map((target) => (target < 0.5 ? 1 : -1));
  const doubts = targets.map((target) => Math.min(target, 1 - target));
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
  const u = graph.node('Neg', [minusU], dims);
  const certain = graph.node('Softplus', [u], dims);
  // Not the Sigmoid operator, whose CPU kernel ends at +-18: a confident discriminator's gradients are smaller still.
  const denominator = graph.node('Add', [graph.node('Exp', [minusU], dims), graph.scalar(1)], dims);
  const wrongness = graph.node('Reciprocal', [denominator], dims);
  if (doubts.every((doubt) => doubt === 0))
    return { losses: certain, wrongness, gradient: graph.node('Mul', [wrongness, shares], dims) };
  const doubt = graph.constant('doubts', dims, doubts);
  return {
    losses: graph.node('Sub', [certain, graph.node('Mul', [u, doubt], dims)], dims),
    wrongness,
    gradient: graph.node('Mul', [graph.node('Sub', [wrongness, doubt], dims), shares], dims),
  };
}
