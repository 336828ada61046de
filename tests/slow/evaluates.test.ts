import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readIdx } from '../../coordinator/dataset/index.js';
import { evaluate } from '../../deploy/evaluate/index.js';
import { temporaryFolder } from '../integration/cluster/gan-cluster.js';
import { idxOf } from '../unit/evaluate/small-digits.js';

const MNIST = process.env['MNIST_DIR'];
const COUNT = 10_000;

describe('10,000 real training images', () => {
  it.skipIf(MNIST === undefined)(
    `score what real images score${MNIST === undefined ? ' (MNIST_DIR is not set: skipped)' : ''}`,
    async () => {
      const folder = temporaryFolder();
      const { data } = await readIdx(join(MNIST ?? '', 'train-images-idx3-ubyte.gz'));
      const path = join(folder, 'real.idx');
      // Not those that stand beside them in the report.
      writeFileSync(path, idxOf(data.subarray(784 * 20_000, 784 * (20_000 + COUNT))));
      const score = () =>
        evaluate({
          path,
          data: MNIST ?? '',
          count: COUNT,
          seed: 1,
          cacheFolder: folder,
          threads: 2,
          interrupt: new AbortController().signal,
          say: () => undefined,
          onProgress: () => undefined,
        });
      const first = await score();
      expect(first.data.name).toBe('MNIST');
      expect(first.classifier.testAccuracy).toBeGreaterThan(0.98);
      for (const { logLikelihood, frechetDistance, density, coverage, confidence } of [
        first.samples,
        first.real,
      ]) {
        // 241 by the same protocol in PyTorch, for another part of the training set.
        expect(Math.abs(logLikelihood.nats - 241)).toBeLessThan(4);
        expect(logLikelihood.sigma).toBeCloseTo(0.1668, 4);
        expect(frechetDistance).toBeLessThan(0.5);
        expect(density).toBeGreaterThan(0.9);
        expect(coverage).toBeGreaterThan(0.92);
        expect(confidence).toBeGreaterThan(0.97);
      }
      expect(first.copies.nearestIsTraining).toBe(1);
      expect(first.copies.samples.median).toBe(0);

      const before = process.cpuUsage();
      const second = await score();
      const { user, system } = process.cpuUsage(before);
      expect(second).toEqual(first);
      // Of all cores together, so that it does not depend on what else the machine does.
      expect((user + system) / 1e6).toBeLessThan(60);
    },
  );
});
