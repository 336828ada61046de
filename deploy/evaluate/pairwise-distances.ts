import { invariant } from '../../proto/index.js';
import {
  GraphBuilder,
  openSession,
  type InferenceSession,
  type OnnxRuntime,
} from '../../worker/engine/onnx/index.js';

/** Distances of a block: with 10,000 columns 400 rows, 16 MB, some tens of milliseconds of work. */
const BLOCK_DISTANCES = 4_000_000;

/** Squared Euclidean distances from some of the points a to all of the points b. */
export interface DistanceBlock<Distances extends Int32Array | Float32Array> {
  /** The block's first row among a. */
  readonly first: number;
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns]. Not to be kept. */
  readonly squared: Distances;
}
export type ImageBlock = DistanceBlock<Int32Array>;
export type FeatureBlock = DistanceBlock<Float32Array>;

/** Points b as the products take them, so that several a can be measured against them. */
export interface Packed<Points extends Uint8Array | Float32Array> {
  readonly count: number;
  readonly transposed: Points; // [dimensions, count]
  readonly squaredNorms: Float64Array; // [count]
}

/** What differs between whole numbers and floats. */
interface Arithmetic {
  readonly input: 'uint8' | 'float32';
  readonly operator: string;
  readonly output: 'int32' | 'float32';
}

/** |a|^2 + |b|^2 - 2 a b, with the products of all pairs as one matrix product. */
class PairwiseDistances<
  Points extends Uint8Array | Float32Array,
  Distances extends Int32Array | Float32Array,
> {
  protected constructor(
    private readonly runtime: OnnxRuntime,
    private readonly session: InferenceSession,
    private readonly dimensions: number,
    private readonly input: Arithmetic['input'],
  ) {}

  protected static async session(
    runtime: OnnxRuntime,
    dimensions: number,
    { input, operator, output }: Arithmetic,
    threads: number,
  ): Promise<InferenceSession> {
    const graph = new GraphBuilder('products of all pairs');
    const a = graph.input('a', ['rows', dimensions], input);
    const b = graph.input('b', [dimensions, 'columns'], input);
    graph.output('products', graph.node(operator, [a, b], ['rows', 'columns'], { type: output }));
    return openSession(runtime, 'cpu', graph.graph(), threads);
  }

  /** @param a points [n, dimensions] @param b those that every point of a is measured against */
  async *blocks(a: Points, b: Packed<Points>): AsyncGenerator<DistanceBlock<Distances>, void, undefined> {
    const { dimensions, input } = this;
    const { Tensor } = this.runtime;
    const count = a.length / dimensions;
    const norms = squaredNorms(a, dimensions);
    const columns = b.count;
    const atOnce = Math.max(1, Math.floor(BLOCK_DISTANCES / columns));
    const packed = new Tensor(input, b.transposed, [dimensions, columns]);
    for (let first = 0; first < count; first += atOnce) {
      const rows = Math.min(atOnce, count - first);
      const part = a.subarray(first * dimensions, (first + rows) * dimensions);
      const results = await this.session.run({ a: new Tensor(input, part, [rows, dimensions]), b: packed });
      const squared = results['products']?.data as Distances | undefined;
      invariant(squared?.length === rows * columns, 'a product for each pair');
      for (let row = 0; row < rows; row++) {
        const norm = norms[first + row] as number;
        const start = row * columns;
        for (let column = 0; column < columns; column++)
          squared[start + column] =
            norm + (b.squaredNorms[column] as number) - 2 * (squared[start + column] as number);
      }
      yield { first, rows, columns, squared };
    }
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

/**
 * Between images, in grey levels squared. Whole numbers throughout, since 784 x 255^2 fits an int32: nothing is rounded,
 * so that the numbers are the same on every machine and with any number of threads.
 */
export class ImageDistances extends PairwiseDistances<Uint8Array, Int32Array> {
  static async open(runtime: OnnxRuntime, imageSize: number, threads: number): Promise<ImageDistances> {
    const arithmetic = { input: 'uint8', operator: 'MatMulInteger', output: 'int32' } as const;
    const session = await this.session(runtime, imageSize, arithmetic, threads);
    return new ImageDistances(runtime, session, imageSize, 'uint8');
  }
}

/**
 * Between feature vectors, in float32 and on one thread: the same numbers each time. Rounding is relative to the
 * norms, so the points should lie around zero; a distance may end below zero by it.
 */
export class FeatureDistances extends PairwiseDistances<Float32Array, Float32Array> {
  static async open(runtime: OnnxRuntime, dimensions: number): Promise<FeatureDistances> {
    const arithmetic = { input: 'float32', operator: 'MatMul', output: 'float32' } as const;
    const session = await this.session(runtime, dimensions, arithmetic, 1);
    return new FeatureDistances(runtime, session, dimensions, 'float32');
  }
}

/** @param points [n, dimensions] */
export function pack<Points extends Uint8Array | Float32Array>(
  points: Points,
  dimensions: number,
): Packed<Points> {
  const count = points.length / dimensions;
  const transposed = points.slice() as Points;
  for (let point = 0; point < count; point++)
    for (let i = 0; i < dimensions; i++)
      transposed[i * count + point] = points[point * dimensions + i] as number;
  return { count, transposed, squaredNorms: squaredNorms(points, dimensions) };
}

function squaredNorms(points: Uint8Array | Float32Array, dimensions: number): Float64Array {
  const norms = new Float64Array(points.length / dimensions);
  for (let point = 0; point < norms.length; point++) {
    let norm = 0;
    for (let i = point * dimensions; i < (point + 1) * dimensions; i++) norm += (points[i] as number) ** 2;
    norms[point] = norm;
  }
  return norms;
}
