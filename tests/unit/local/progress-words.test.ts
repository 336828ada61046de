import { expect, it } from 'vitest';
import { LinesView } from '../../../deploy/terminal/progress-view.js';
import { measures, type Status } from '../../../deploy/terminal/words.js';

const status: Status = {
  runId: 'run',
  phase: 'training',
  step: 240,
  steps: 9_360,
  stepsPerPass: 468,
  imagesPerSecond: 5_116,
  etaS: 228,
  discriminatorLoss: 1.088,
  generatorLoss: 1.317,
  discriminatorReal: 0.69,
  discriminatorFake: 0.46,
  workers: 2,
  spares: 0,
  keptOut: 0,
  ringEpoch: 2,
  ringEpochReason: 'the run begins',
  dataset: 'MNIST',
  engine: 'onnx-cpu',
};

it('the progress line tells of workers that are kept out, when there are any', () => {
  const lines: string[] = [];
  const view = new LinesView(
    (line) => lines.push(line),
    () => lines.length * 10_000,
  );
  view.status(status);
  view.status({ ...status, step: 241, keptOut: 1 });
  expect(lines[0]).toBe(
    'step 240/9360 | pass 1/20 | 5,116 images/s | loss D 1.088 G 1.317 | D(x) 0.69 D(G(z)) 0.46 | 3 min 48 s left',
  );
  expect(lines[1]).toMatch(/ \| 3 min 48 s left \| 1 kept out$/);
  expect(measures({ ...status, keptOut: 12 })).toMatch(/ \| 12 kept out$/);
});
