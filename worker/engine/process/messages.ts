import type { ErrorCode, ModelDescription } from '../../../proto/index.js';
import type { EngineName, GeneratorWeights } from '../engine.js';

/** What an engine's process is asked to do. It has no sight of the live parameters: they travel with each request. */
export type EngineRequest =
  | {
      readonly kind: 'create';
      readonly name: EngineName;
      readonly model: ModelDescription;
      readonly shardBatch: number;
      readonly slots: number;
      readonly realTarget: number;
    }
  | {
      readonly kind: 'discriminatorHalf';
      readonly slot: number;
      readonly parameters: Float32Array;
      readonly pixels: Uint8Array;
      readonly noise: Float32Array;
    }
  | { readonly kind: 'generatorHalf'; readonly slot: number; readonly parameters: Float32Array }
  | {
      readonly kind: 'generate';
      readonly noise: Float32Array;
      readonly generator: GeneratorWeights;
    }
  | { readonly kind: 'batchStatistics'; readonly noise: Float32Array; readonly parameters: Float32Array }
  | { readonly kind: 'close' };

/** One answer to each request, in order. */
export type EngineAnswer =
  | { readonly kind: 'created'; readonly version: string }
  /** The half's update vector, the images, or the statistics. */
  | { readonly kind: 'floats'; readonly floats: Float32Array }
  | { readonly kind: 'closed' }
  /** `code` is null for a bug. */
  | { readonly kind: 'failed'; readonly code: ErrorCode | null; readonly message: string };
