import { createHash } from 'node:crypto';
import { modelLayout, updateLayout } from '../../proto/index.js';
import type { ModelLayout, NetworkName } from '../../proto/index.js';
import type { Engine, EngineOptions } from './engine.js';
import { ProbeNumbers } from './probe-numbers.js';

/** Raised when the probe itself changes: fingerprints of different probes must differ. */
const PROBE_VERSION = 1;

/**
 * SHA-256, as 64 hex digits, over both halves' results for a fixed shard at the run's shapes, with the engine's name and
 * version and `versions` of whatever else decides bits. Equal fingerprints: the engines compute the same bits, as far as
 * one step at these shapes tells. Takes about the time of one step.
 * @param options those that `engine` was created with; `parameters` are overwritten for the probe and restored, what
 * slot 0 keeps is lost
 */
export async function engineFingerprint(
  engine: Engine,
  options: EngineOptions,
  versions: readonly string[] = [],
): Promise<string> {
  const { model, shardBatch, parameters } = options;
  const layout = modelLayout(model);
  const numbers = new ProbeNumbers();
  const pixels = numbers.bytes(shardBatch * model.discriminator.inputSize);
  const noise = numbers.floats(shardBatch * model.generator.inputSize, 2);

  const hash = createHash('sha256');
  hash.update(JSON.stringify([PROBE_VERSION, engine.name, engine.version, ...versions, shardBatch, model]));
  const saved = Float32Array.from(parameters);
  try {
    fillProbeParameters(layout, parameters, numbers);
    for (const network of ['discriminator', 'generator'] satisfies NetworkName[]) {
      const out = new Float32Array(updateLayout(layout, network).floatLength);
      if (network === 'discriminator') await engine.discriminatorHalf(0, pixels, noise, out);
      else await engine.generatorHalf(0, out);
      hash.update(new Uint8Array(out.buffer));
    }
  } finally {
    parameters.set(saved);
  }
  return hash.digest('hex');
}

/** Like a fresh replica's, so that no activation saturates and every bit of the gradients takes part. */
function fillProbeParameters(layout: ModelLayout, parameters: Float32Array, numbers: ProbeNumbers): void {
  for (const { offset, tensors } of [layout.generator, layout.discriminator]) {
    for (const tensor of tensors) {
      const range = tensor.role === 'gamma' || tensor.role === 'beta' ? 0.1 : 1 / Math.sqrt(tensor.fanIn);
      const values = numbers.floats(tensor.size, range);
      if (tensor.role === 'gamma') values.forEach((value, i) => (values[i] = 1 + value));
      parameters.set(values, offset + tensor.offset);
    }
  }
}
