import { invariant } from '../../../proto/index.js';
import {
  openSession,
  tensorsOver,
  type InferenceSession,
  type OnnxRuntime,
  type Tensors,
} from '../../../worker/engine/onnx/index.js';
import { DIGITS, IMAGE_SIZE } from '../digit-images.js';
import { buildDigitGraph } from './digit-graphs.js';
import { DIGIT_PARAMETERS, DIGIT_TENSORS, FEATURES } from './digit-network.js';

/** Rows computed at once: short enough for the event loop to turn between two. */
const ROWS = 1_000;

/** What the classifier makes of n images. */
export interface Classified {
  readonly features: Float32Array; // [n, 128]
  readonly probabilities: Float32Array; // [n, 10]
}

/** The digit classifier, ready to look at images. Computes on the calling thread, and on it alone: the same bits each time. */
export class DigitClassifier {
  /** @param parameters laid out as DIGIT_TENSORS; not to change afterwards */
  static async open(runtime: OnnxRuntime, parameters: Float32Array): Promise<DigitClassifier> {
    invariant(parameters.length === DIGIT_PARAMETERS, 'all parameters of the classifier are given');
    const session = await openSession(runtime, 'cpu', buildDigitGraph());
    return new DigitClassifier(runtime, session, tensorsOver(runtime, parameters, DIGIT_TENSORS));
  }

  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly session: InferenceSession,
    private readonly parameters: Tensors,
  ) {}

  /**
   * @param images [n, 784], 0 black
   * @param onPart awaited after every thousand images or fewer, with their number; what it throws ends the work
   */
  async classify(images: Uint8Array, onPart?: (images: number) => Promise<void>): Promise<Classified> {
    const count = images.length / IMAGE_SIZE;
    invariant(Number.isInteger(count), 'images are whole');
    const features = new Float32Array(count * FEATURES);
    const probabilities = new Float32Array(count * DIGITS);
    for (let first = 0; first < count; first += ROWS) {
      const rows = Math.min(ROWS, count - first);
      const tensor = (vector: Float32Array, size: number) =>
        new this.runtime.Tensor('float32', vector.subarray(first * size, (first + rows) * size), [
          rows,
          size,
        ]);
      const part = images.subarray(first * IMAGE_SIZE, (first + rows) * IMAGE_SIZE);
      const pixels = new this.runtime.Tensor('uint8', part, [rows, IMAGE_SIZE]);
      await this.session.run(
        { ...this.parameters, pixels },
        { features: tensor(features, FEATURES), probabilities: tensor(probabilities, DIGITS) },
      );
      await onPart?.(rows);
    }
    return { features, probabilities };
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
