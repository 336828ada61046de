import type { ModelDescription } from '../../proto/model.js';

export const ENGINE_NAMES = [
  'onnx-cpu',
  'onnx-cuda',
  'onnx-webgpu',
  'tfjs-tensorflow',
  'tfjs-wasm',
  'tfjs-cpu',
] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Engines that compute on a GPU. */
export const GPU_ENGINES: readonly EngineName[] = ['onnx-cuda', 'onnx-webgpu', 'tfjs-tensorflow'];

/**
 * What has never run on the hardware that it is for: README and `doctor` say so. Whoever has run `npm run test:gpu`
 * takes the name out.
 */
export const NEVER_ON_HARDWARE: readonly EngineName[] = ['onnx-cuda', 'onnx-webgpu', 'tfjs-tensorflow'];

export interface EngineOptions {
  readonly model: ModelDescription;
  /** Rows of one shard. All shapes are fixed by it, so that a shard's bits do not depend on who computes it. */
  readonly shardBatch: number;
  /** Shards that one half of a step may keep activations for at once: slots 0 .. slots - 1. */
  readonly slots: number;
  /** Live memory, laid out as ModelLayout says: the caller changes it between updates, the engine only reads it. */
  readonly parameters: Float32Array;
  /** The probability that D is taught to give a real image; 1 unless said otherwise. */
  readonly realTarget?: number;
  /** Threads that one product is split over, where the engine can; 1 unless said otherwise. Changes bits at some shapes. */
  readonly threads?: number;
  /** UUID of the one NVIDIA GPU that the engine's process is to see, as nvidia-smi names it; all of them when absent. */
  readonly device?: string;
}

/** A generator of the engine's model, which need not be the one in training. */
export interface GeneratorWeights {
  /** Laid out as ModelLayout.generator. */
  readonly parameters: Float32Array;
  /** Running statistics, laid out as ModelLayout.statistics. */
  readonly statistics: Float32Array;
}

/**
 * Computes gradients from a replica's parameters. One shard at a time, deterministic, and the same bits for the same
 * inputs whatever was computed before. Calls do not overlap.
 */
export interface Engine {
  readonly name: EngineName;
  /** Kernel library and version, for the fingerprint and for people. */
  readonly version: string;

  /**
   * First half of a step for one shard. G's activations stay in `slot` for generatorHalf.
   * @param pixels [B, 784] uint8; the engine scales them to [-1, 1] as x / 127.5 - 1
   * @param noise [B, 100] float32
   * @param out UpdateLayout('discriminator').floatLength elements, all overwritten
   */
  discriminatorHalf(slot: number, pixels: Uint8Array, noise: Float32Array, out: Float32Array): Promise<void>;

  /**
   * Second half: gradients of G against the discriminator as it is now, on the fakes kept in `slot`.
   * @param out UpdateLayout('generator').floatLength elements, all overwritten
   */
  generatorHalf(slot: number, out: Float32Array): Promise<void>;

  /**
   * Images from a generator in evaluation mode: batch norm uses its statistics.
   * @param noise [n, 100], any n
   * @returns [n, 784] in [-1, 1]
   */
  generate(noise: Float32Array, generator: GeneratorWeights): Promise<Float32Array>;

  /**
   * What the batch norms of a generator with these parameters see of one shard of noise, in training mode.
   * @param noise [B, 100]
   * @param parameters of the generator, as in GeneratorWeights
   * @returns batch means and biased variances, laid out as ModelLayout.statistics
   */
  batchStatistics(noise: Float32Array, parameters: Float32Array): Promise<Float32Array>;

  close(): Promise<void>;
}
