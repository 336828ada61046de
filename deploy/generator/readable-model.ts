import { sizedLayers } from '../../proto/index.js';
import { onnxFile, type TrainedLayer, type TrainedNetwork } from '../../worker/export/index.js';
import { DAMAGED, refusal } from './refusal.js';

/** A generator that has been read, whatever its format, as what ONNX Runtime computes. */
export interface ReadableModel {
  /** `noise` [n, noiseSize] -> `images` [n, imageSize]. */
  readonly onnx: Uint8Array;
  readonly noiseSize: number;
  readonly imageSize: number;
  readonly provenance: Readonly<Record<string, string>>;
}

/** Images are square, and one pixel is none: that is what a discriminator makes. Throws UsageError. */
export function checkImageSize(path: string, imageSize: number): void {
  const side = Math.sqrt(imageSize);
  if (!Number.isInteger(side) || side < 2)
    throw refusal(
      path,
      `was expected to make square images, and makes ${imageSize} value${imageSize === 1 ? '' : 's'} a row: ` +
        (imageSize === 1 ? 'a discriminator is no generator' : 'it is no generator of images'),
    );
}

/**
 * The file of the network that `worker/export` would write: the same tensors give the same bits, whichever file they
 * were in. Throws UsageError for a network that is no generator.
 */
export function networkModel(
  path: string,
  network: TrainedNetwork,
  provenance: Readonly<Record<string, string>>,
): ReadableModel {
  const imageSize = sizedLayers(network).at(-1)?.outputSize ?? 0;
  checkImageSize(path, imageSize);
  network.layers.forEach((layer, index) => checkVariance(path, layer, index));
  return { onnx: onnxFile(network, {}), noiseSize: network.inputSize, imageSize, provenance };
}

function checkVariance(path: string, layer: TrainedLayer, index: number): void {
  if (layer.kind !== 'batchNorm') return;
  const negative = layer.variance.find((value) => value < 0);
  if (negative !== undefined)
    throw refusal(path, `has a variance of ${negative} in the batch norm of layer ${index}: ${DAMAGED}`);
}
