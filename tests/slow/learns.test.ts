import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { ganCluster, readRunFile, temporaryFolder } from '../integration/cluster/gan-cluster.js';

const MNIST = process.env['MNIST_DIR'];
const LAST = 100;

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe('five passes over real MNIST with 2 shards of 64', () => {
  it.skipIf(MNIST === undefined)(
    `end with losses in balance and strokes in the picture${MNIST === undefined ? ' (MNIST_DIR is not set: skipped)' : ''}`,
    async () => {
      const out = join(temporaryFolder(), 'run');
      const end = await ganCluster([
        'train',
        '--data',
        MNIST ?? '',
        '--shards',
        '2',
        '--shard-batch',
        '64',
        '--epochs',
        '5',
        '--workers',
        '2',
        '--out',
        out,
      ]);
      expect(end.stderr).toBe('');
      expect(end.status).toBe(0);
      const rows = readFileSync(join(out, 'history.csv'), 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').map(Number));
      expect(rows).toHaveLength(5 * 468);
      expect(rows.flat().every(Number.isFinite)).toBe(true);
      const column = (index: number): number =>
        mean(rows.slice(-LAST).map((row) => row[index] ?? Number.NaN));
      // PyTorch with the same recipe: about 1.17 and 0.96.
      expect(column(2)).toBeGreaterThan(0.9);
      expect(column(2)).toBeLessThan(1.4);
      expect(column(3)).toBeGreaterThan(0.6);
      expect(column(3)).toBeLessThan(1.6);
      expect(readRunFile(out)).toMatchObject({ outcome: 'done', stepsDone: 2340 });
      // Strokes: as in MNIST, a fifth of each image is bright, the rest black. Noise or a flat grey is neither.
      const png = PNG.sync.read(readFileSync(join(out, 'samples.png')));
      const grey = Array.from({ length: png.width * png.height }, (_, i) => png.data[4 * i] ?? 0);
      const share = (test: (value: number) => boolean): number => grey.filter(test).length / grey.length;
      expect(share((value) => value > 160)).toBeGreaterThan(0.05);
      expect(share((value) => value > 160)).toBeLessThan(0.35);
      expect(share((value) => value < 48)).toBeGreaterThan(0.5);
    },
  );
});
