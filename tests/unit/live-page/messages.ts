import type { LiveEvent, LiveOf, LiveWorker } from '../../../proto/live.js';

/** Five columns that are alike but for what they are multiplied by. */
export function curveOf(stepsPerPoint: number, from: number, values: (number | null)[]): LiveOf<'curve'> {
  const times = (factor: number): (number | null)[] =>
    values.map((value) => (value === null ? null : value * factor));
  return {
    kind: 'curve',
    stepsPerPoint,
    from,
    discriminatorLoss: times(1),
    generatorLoss: times(2),
    discriminatorReal: times(3),
    discriminatorFake: times(4),
    imagesPerSecond: times(5),
  };
}

export const eventOf = (seq: number, over: Partial<LiveEvent> = {}): LiveEvent => ({
  seq,
  atMs: 1_000 * seq,
  step: 10 * seq,
  level: 'info',
  text: `event ${seq}`,
  ...over,
});

export const workerOf = (name: string, over: Partial<LiveWorker> = {}): LiveWorker => ({
  name,
  hostname: 'host',
  rank: null,
  role: 'member',
  phase: 'compute',
  step: 10,
  images: 1_000,
  ringBytes: 2_000_000,
  waitShare: 0.1,
  computeShare: 0.6,
  reduceShare: 0.2,
  updateShare: 0.1,
  ...over,
});

export const runOf = (over: Partial<LiveOf<'run'>> = {}): LiveOf<'run'> => ({
  kind: 'run',
  runId: 'run-1',
  dataset: 'mnist',
  recipe: 'tutorial',
  engine: 'onnx-cpu',
  seed: 1,
  shards: 4,
  shardBatch: 32,
  steps: 9_360,
  stepsPerPass: 468,
  coordinator: 'c-1',
  ...over,
});

export const nowOf = (
  status: Partial<LiveOf<'now'>['status']> = {},
  over: Partial<LiveOf<'now'>> = {},
): LiveOf<'now'> => ({
  kind: 'now',
  status: {
    runId: 'run-1',
    phase: 'training',
    step: 1_204,
    steps: 9_360,
    stepsPerPass: 468,
    imagesPerSecond: 8_000,
    etaS: 130,
    discriminatorLoss: 1.2,
    generatorLoss: 0.9,
    discriminatorReal: 0.6,
    discriminatorFake: 0.4,
    workers: 4,
    spares: 0,
    keptOut: 0,
    ringEpoch: 3,
    ringEpochReason: 'worker-1 joined',
    dataset: 'mnist',
    engine: 'onnx-cpu',
    ...status,
  },
  workers: [],
  checkpoint: null,
  ...over,
});
