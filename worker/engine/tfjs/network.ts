import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { sizedLayers } from '../../../proto/index.js';
import type { LayerDescription, NetworkDescription, NetworkName } from '../../../proto/index.js';
import type { TensorFlow } from './backend.js';

type BatchNorm = Extract<LayerDescription, { kind: 'batchNorm' }>;

/** A tensor by its name in the layout: `generator.2.weight`, `generator.3.mean`. */
export type TensorByName = (name: string) => Tensor;

/** Mean and variance by which a batch norm normalises `x`. */
export type MomentsOf = (name: string, x: Tensor2D) => { mean: Tensor; variance: Tensor };

export interface TfjsNetwork {
  readonly tf: TensorFlow;
  readonly name: NetworkName;
  readonly network: NetworkDescription;
  readonly tensor: TensorByName;
  /** `name` is that of the layer: `generator.3`. */
  readonly moments: MomentsOf;
}

/** Runs a network forward: x [rows, inputSize] -> [rows, units of the last dense layer]. */
export function runNetwork(scope: TfjsNetwork, x: Tensor2D): Tensor2D {
  return sizedLayers(scope.network).reduce(
    (value, { layer, index }) => runLayer(scope, layer, `${scope.name}.${index}`, value),
    x,
  );
}

function runLayer(scope: TfjsNetwork, layer: LayerDescription, name: string, x: Tensor2D): Tensor2D {
  const { tf, tensor } = scope;
  switch (layer.kind) {
    case 'dense':
      return tf.add(product(tf, x, tensor(`${name}.weight`) as Tensor2D), tensor(`${name}.bias`));
    case 'batchNorm':
      return normalise(scope, layer, name, x);
    case 'relu':
      return tf.relu(x);
    case 'leakyRelu':
      return tf.leakyRelu(x, layer.slope);
    case 'tanh':
      return tf.tanh(x);
    case 'sigmoid':
      return tf.sigmoid(x);
  }
}

/** Written out, so that the gradient flows through the moments as well. */
function normalise(
  { tf, tensor, moments }: TfjsNetwork,
  layer: BatchNorm,
  name: string,
  x: Tensor2D,
): Tensor2D {
  const { mean, variance } = moments(name, x);
  const scale = tf.mul(tf.rsqrt(tf.add(variance, layer.epsilon)), tensor(`${name}.gamma`));
  return tf.add(tf.mul(tf.sub(x, mean), scale), tensor(`${name}.beta`));
}

/** The batch's own mean and biased variance. */
export const batchMoments =
  (tf: TensorFlow): MomentsOf =>
  (_name, x) =>
    tf.moments(x, 0);

/** Running statistics, by their names in the layout. */
export const runningMoments =
  (tensor: TensorByName): MomentsOf =>
  (name) => ({ mean: tensor(`${name}.mean`), variance: tensor(`${name}.variance`) });

/**
 * x w, with the gradient's transposes written out: the WebAssembly backend multiplies by its fast kernel only where
 * neither factor is marked as transposed.
 */
function product(tf: TensorFlow, x: Tensor2D, w: Tensor2D): Tensor2D {
  const multiply = tf.customGrad((...inputs) => {
    const [left, right, save] = inputs as unknown as [Tensor2D, Tensor2D, (tensors: Tensor[]) => void];
    save([left, right]);
    return {
      value: tf.matMul(left, right),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [savedLeft, savedRight] = saved as [Tensor2D, Tensor2D];
        return [tf.matMul(dy, tf.transpose(savedRight)), tf.matMul(tf.transpose(savedLeft), dy)];
      },
    };
  });
  return multiply(x, w) as Tensor2D;
}
