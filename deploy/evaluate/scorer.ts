import type { OnnxRuntime } from '../../worker/engine/onnx/index.js';
import { DigitClassifier, FEATURES } from './classifier/index.js';
import { BallCounter, distancesToNeighbour, type DensityCoverage } from './density-coverage.js';
import { IMAGE_SIZE } from './digit-images.js';
import { drawnDigits } from './drawn-digits.js';
import { frechetDistance, momentsOf, type Moments } from './frechet.js';
import { lowerToColumns, unseen } from './nearest.js';
import { FeatureDistances, ImageDistances, pack, type Packed } from './pairwise-distances.js';
import { meanAndError, parzenLogLikelihoods, SIGMAS, type LogLikelihood } from './parzen.js';
import type { Scores } from './scores.js';
import type { WorkMeter } from './work-meter.js';

/** Real points that a ball of density and coverage reaches to. */
const NEIGHBOURS = 5;
/** Squared distances in grey levels, sigma in pixels of 0 to 1. */
const PIXELS = { unit: 1 / 255 ** 2, dimensions: IMAGE_SIZE } as const;

export interface ScorerOptions {
  readonly runtime: OnnxRuntime;
  /** Weights of the digit classifier. */
  readonly classifier: Float32Array;
  readonly threads: number;
  readonly test: Uint8Array; // [n, 784]
  readonly validation: Uint8Array; // [m, 784]
}

/** What is measured of the test set once. */
interface TestSet {
  readonly images: Uint8Array;
  readonly moments: Moments;
  /** Around their mean. */
  readonly features: Float32Array; // [n, 128]
  /** Squared distance of each test image to its NEIGHBOURS-th nearest other one, in features. */
  readonly radii: Float32Array;
}

/** Multiplications of `Scorer.open`. */
export const openingWork = (test: number): number => FEATURES * test * test;
/** Multiplications of `Scorer.score`. */
export const scoringWork = (count: number, test: number, validation: number): number =>
  count * (IMAGE_SIZE * (test + validation) + FEATURES * test);
/** Multiplications of `Scorer.nearest`. */
export const nearestWork = (count: number, among: number): number => IMAGE_SIZE * count * among;

/** What computes. */
interface Sessions {
  readonly classifier: DigitClassifier;
  readonly images: ImageDistances;
  readonly features: FeatureDistances;
}

/** Measures sets of images against one test set. */
export class Scorer {
  static async open(options: ScorerOptions, meter: WorkMeter): Promise<Scorer> {
    const { runtime, threads, test, validation } = options;
    const sessions = {
      classifier: await DigitClassifier.open(runtime, options.classifier),
      images: await ImageDistances.open(runtime, IMAGE_SIZE, threads),
      features: await FeatureDistances.open(runtime, FEATURES),
    };
    try {
      return new Scorer(await testSet(test, sessions, meter), validation, meter, sessions);
    } catch (error) {
      await close(sessions);
      throw error;
    }
  }

  private constructor(
    private readonly test: TestSet,
    private readonly validation: Uint8Array,
    private readonly meter: WorkMeter,
    private readonly sessions: Sessions,
  ) {}

  /**
   * @param images [n, 784]
   * @returns the scores, and each image's squared distance to the nearest test image
   */
  async score(images: Uint8Array): Promise<{ scores: Scores; toTest: Int32Array }> {
    const { features, probabilities } = await this.sessions.classifier.classify(images, () =>
      this.meter.add(0),
    );
    const packed = pack(images, IMAGE_SIZE);
    const { logLikelihood, toTest } = await this.logLikelihood(packed);
    const scores = {
      count: packed.count,
      logLikelihood,
      frechetDistance: frechetDistance(momentsOf(features, FEATURES), this.test.moments),
      ...(await this.spread(features)),
      ...drawnDigits(probabilities),
    };
    return { scores, toTest };
  }

  /** Squared distance, in grey levels, of each of the images to the nearest one of `among`. */
  async nearest(images: Uint8Array, among: Uint8Array): Promise<Int32Array> {
    const packed = pack(images, IMAGE_SIZE);
    const nearest = unseen(packed.count);
    for await (const block of this.sessions.images.blocks(among, packed)) {
      lowerToColumns(block, nearest);
      await this.meter.add(IMAGE_SIZE * block.rows * block.columns);
    }
    return nearest;
  }

  close(): Promise<void> {
    return close(this.sessions);
  }

  private async logLikelihood(
    packed: Packed<Uint8Array>,
  ): Promise<{ logLikelihood: LogLikelihood; toTest: Int32Array }> {
    const ofSigmas = await this.parzen(packed, this.validation, SIGMAS);
    const means = ofSigmas.map((values) => meanAndError(values).mean);
    const sigma = SIGMAS[means.indexOf(Math.max(...means))] as number;
    const toTest = unseen(packed.count);
    const [values] = await this.parzen(packed, this.test.images, [sigma], toTest);
    const { mean, standardError } = meanAndError(values as Float64Array);
    return { logLikelihood: { nats: mean, standardError, sigma }, toTest };
  }

  /** Log-likelihoods of the points for each sigma; lowers `nearest` of the packed images to that among the points. */
  private async parzen(
    packed: Packed<Uint8Array>,
    points: Uint8Array,
    sigmas: readonly number[],
    nearest?: Int32Array,
  ): Promise<Float64Array[]> {
    const results = sigmas.map((sigma) => ({ sigma, values: new Float64Array(points.length / IMAGE_SIZE) }));
    for await (const block of this.sessions.images.blocks(points, packed)) {
      const { first, rows, columns, squared } = block;
      for (const { sigma, values } of results)
        parzenLogLikelihoods(squared, columns, { sigma, ...PIXELS }, values.subarray(first, first + rows));
      if (nearest !== undefined) lowerToColumns(block, nearest);
      await this.meter.add(IMAGE_SIZE * rows * columns);
    }
    return results.map(({ values }) => values);
  }

  private async spread(features: Float32Array): Promise<DensityCoverage> {
    const { moments, radii } = this.test;
    const packed = pack(centred(features, moments.mean), FEATURES);
    const balls = new BallCounter(radii, NEIGHBOURS);
    for await (const block of this.sessions.features.blocks(this.test.features, packed)) {
      balls.add(block);
      await this.meter.add(FEATURES * block.rows * block.columns);
    }
    return balls.result(packed.count);
  }
}

async function testSet(images: Uint8Array, sessions: Sessions, meter: WorkMeter): Promise<TestSet> {
  const seen = await sessions.classifier.classify(images, () => meter.add(0));
  const moments = momentsOf(seen.features, FEATURES);
  const features = centred(seen.features, moments.mean);
  const radii = new Float32Array(images.length / IMAGE_SIZE);
  for await (const block of sessions.features.blocks(features, pack(features, FEATURES))) {
    distancesToNeighbour(block, NEIGHBOURS, radii);
    await meter.add(FEATURES * block.rows * block.columns);
  }
  return { images, moments, features, radii };
}

async function close({ classifier, images, features }: Sessions): Promise<void> {
  await classifier.close();
  await images.close();
  await features.close();
}

/** @param points [n, d] @param centre [d] */
function centred(points: Float32Array, centre: Float64Array): Float32Array {
  return points.map((value, i) => value - (centre[i % centre.length] as number));
}
