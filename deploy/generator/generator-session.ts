import { invariant, messageOf } from '../../proto/index.js';
import {
  loadOnnxRuntime,
  openModel,
  type InferenceSession,
  type OnnxRuntime,
} from '../../worker/engine/onnx/index.js';
import type { ReadableModel } from './readable-model.js';
import { DAMAGED, refusal, shown } from './refusal.js';

/**
 * Rows of every run, the last one's filled up with zeros: how ONNX Runtime multiplies matrices, and so the last bit,
 * depends on how many rows there are, and an image must not depend on how many others are made.
 */
const ROWS = 64;

/** A model in ONNX Runtime, on one thread. */
export class GeneratorSession {
  private constructor(
    private readonly path: string,
    private readonly model: ReadableModel,
    private readonly runtime: OnnxRuntime,
    private readonly session: InferenceSession,
  ) {}

  /** Rejects with UsageError where the model cannot be computed, which is tried once. */
  static async open(path: string, model: ReadableModel): Promise<GeneratorSession> {
    const runtime = loadOnnxRuntime();
    let session: InferenceSession;
    try {
      session = await openModel(runtime, 'cpu', { name: 'generator', bytes: model.onnx });
    } catch (error) {
      throw refusal(path, `cannot be used: ${shown(messageOf(error))}: ${DAMAGED}`, error);
    }
    const opened = new GeneratorSession(path, model, runtime, session);
    try {
      await opened.generate(new Float32Array(model.noiseSize).fill(1));
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  /** See `Generator`. */
  async generate(noise: Float32Array): Promise<Float32Array> {
    const { noiseSize, imageSize } = this.model;
    const count = noise.length / noiseSize;
    invariant(Number.isInteger(count), `the noise is whole rows of ${noiseSize}`);
    const images = new Float32Array(count * imageSize);
    const block = new Float32Array(ROWS * noiseSize);
    for (let first = 0; first < count; first += ROWS) {
      const part = noise.subarray(first * noiseSize, (first + ROWS) * noiseSize);
      block.fill(0).set(part);
      const made = await this.run(block);
      images.set(made.subarray(0, (part.length / noiseSize) * imageSize), first * imageSize);
    }
    if (!images.every(Number.isFinite))
      throw refusal(this.path, `makes images that are no numbers: ${DAMAGED}`);
    return images;
  }

  close(): Promise<void> {
    return this.session.release();
  }

  private async run(block: Float32Array): Promise<Float32Array> {
    const { noiseSize, imageSize } = this.model;
    const noise = new this.runtime.Tensor('float32', block, [ROWS, noiseSize]);
    const { images } = await this.session.run({ noise }).catch((error: unknown) => {
      throw refusal(this.path, `cannot be computed (${shown(messageOf(error))}): ${DAMAGED}`, error);
    });
    if (images?.type !== 'float32' || images.dims.join() !== [ROWS, imageSize].join())
      throw refusal(
        this.path,
        `was expected to make images [${ROWS}, ${imageSize}], and makes [${images?.dims.join(', ') ?? ''}]: ${DAMAGED}`,
      );
    return images.data as Float32Array;
  }
}
