import type { OutMessage } from '../../../proto/index.js';

/** What a coordinator tells of a run in its seventh step. */
export const FAKE_STATUS: Omit<OutMessage<'status'>, 'runId'> = {
  phase: 'training',
  step: 7,
  steps: 10,
  stepsPerPass: 10,
  imagesPerSecond: null,
  etaS: null,
  discriminatorLoss: null,
  generatorLoss: null,
  discriminatorReal: null,
  discriminatorFake: null,
  workers: 1,
  spares: 0,
  keptOut: 0,
  ringEpoch: 1,
  ringEpochReason: 'fake',
  dataset: 'none',
  engine: null,
};
