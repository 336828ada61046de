import { describe, expect, it } from 'vitest';
import type { Evaluation } from '../../../deploy/evaluate/evaluation.js';
import { reportText, warnings } from '../../../deploy/evaluate/report-text.js';
import type { Scores } from '../../../deploy/evaluate/scores.js';

const real: Scores = {
  count: 10_000,
  logLikelihood: { nats: 241.19, standardError: 2.13, sigma: 0.167 },
  frechetDistance: 0.198,
  density: 0.975,
  coverage: 0.95,
  digits: [0.1, 0.11, 0.1, 0.1, 0.1, 0.09, 0.1, 0.1, 0.1, 0.1],
  confidence: 0.987,
};
const samples: Scores = {
  ...real,
  logLikelihood: { nats: -33.21, standardError: 0.97, sigma: 0.278 },
  frechetDistance: 11.919,
  density: 0.326,
  coverage: 0.146,
  digits: [0.06, 0.15, 0.1, 0.1, 0.1, 0.09, 0.1, 0.1, 0.1, 0.1],
  confidence: 0.788,
};
const good: Evaluation = {
  images: { kind: 'idx', path: 'some.idx.gz', available: 12_000 },
  data: {
    name: 'MNIST',
    sha256: 'd'.repeat(64),
    trainingSha256: 'e'.repeat(64),
    training: 60_000,
    test: 10_000,
  },
  classifier: { sha256: 'c'.repeat(64), testAccuracy: 0.987, engine: 'onnxruntime-node 1.30.0' },
  samples,
  real,
  copies: {
    samples: { smallest: 1.91, percentile1: 2.29, median: 4.996 },
    test: { smallest: 1.0, percentile1: 1.24, median: 4.4 },
    nearerThanTest: 0.002,
    nearestIsTraining: 0.8591,
    expected: 6 / 7,
  },
};

const madeBy = (provenance: Readonly<Record<string, string>>): Evaluation => ({
  ...good,
  images: {
    kind: 'generator',
    path: 'runs/a/generator.onnx',
    format: 'onnx',
    sha256: 'f'.repeat(64),
    seed: 7,
    provenance,
  },
});

describe('the report', () => {
  it('puts the scores beside those of real images', () => {
    const text = reportText(good);
    expect(text).toMatch(/^log-likelihood, nats +-33\.2 \+- 1\.0 +241\.2 \+- 2\.1 +higher$/m);
    expect(text).toMatch(/^Frechet distance +11\.92 +0\.20 +lower$/m);
    expect(text).toMatch(/^coverage +0\.15 +0\.95 +higher$/m);
    expect(text).toMatch(/^confidence +78\.8% +98\.7% +higher$/m);
    expect(text).toMatch(/^these images +6\.0% +15\.0% +10\.0%/m);
    expect(text).toMatch(/^these images +1\.91 +2\.29 +5\.00$/m);
    expect(text).toContain('a training image: 85.9% (85.7% by chance, more hints at copies)');
    expect(text).toContain('the first 10,000 of 12,000 in some.idx.gz');
  });

  it('has every column under its title', () => {
    const lines = reportText(good).split('\n');
    const title = lines.find((line) => line.includes('real images  better')) ?? '';
    const row = lines.find((line) => line.startsWith('Frechet distance')) ?? '';
    expect(row.indexOf('0.20') + '0.20'.length).toBe(title.indexOf('real images') + 'real images'.length);
    expect(row.indexOf('lower')).toBe(title.indexOf('better'));
  });

  it('tells where a generator comes from, as far as its file says', () => {
    const text = reportText(
      madeBy({ step: '93600', recipe: 'tutorial', dataset: 'MNIST', state_sha256: 'ab'.repeat(32) }),
    );
    expect(text).toContain('generator      runs/a/generator.onnx (SHA-256 ffffffffffff)');
    expect(text).toContain('93,600 steps, recipe tutorial, trained on MNIST, state abababababab');
    expect(text).toContain('10,000 made from noise of seed 7');
    expect(reportText(madeBy({}))).not.toContain('undefined');
  });

  it('lets no file speak to the terminal', () => {
    const text = reportText(madeBy({ step: '1\u001b[2J', recipe: 'x\ny' }));
    expect(text).not.toContain('\u001b');
    expect(text).toContain('1?[2J steps, recipe x?y');
  });
});

describe('warnings', () => {
  it('are none where nothing is wrong', () => {
    expect(warnings(good)).toEqual([]);
  });

  it.each<[string, Partial<Evaluation>, RegExp]>([
    ['few images', { samples: { ...samples, count: 500 } }, /^only 500 images: .* \(usual are 10,000\)$/],
    ['fewer real ones', { real: { ...real, count: 9_000 } }, /only 9,000 real images to compare with/],
    [
      'a poor classifier',
      { classifier: { ...good.classifier, testAccuracy: 0.9 } },
      /sees only 90\.0% of the test images right/,
    ],
    [
      'digits that are drawn too seldom',
      { samples: { ...samples, digits: samples.digits.map((share, digit) => (digit === 2 ? 0.05 : share)) } },
      /^drawn too seldom \(below 6\.0%\): 2$/,
    ],
    [
      'digits that are drawn too often',
      { samples: { ...samples, digits: samples.digits.map((share, digit) => (digit > 7 ? 0.16 : share)) } },
      /^drawn too often \(above 15\.0%\): 8, 9$/,
    ],
    [
      'copies',
      { copies: { ...good.copies, samples: { ...good.copies.samples, smallest: 0 } } },
      /exact copies of training images/,
    ],
    [
      'other data than the generator saw',
      madeBy({ dataset_sha256: 'a'.repeat(64) }),
      /trained on other images than the training set of MNIST/,
    ],
  ])('are given for %s', (_what, change, words) => {
    const found = warnings({ ...good, ...change });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(words);
    expect(reportText({ ...good, ...change })).toContain(`warning: ${found[0]}`);
  });

  it('are not given for data that the generator was trained on', () => {
    expect(warnings(madeBy({ dataset_sha256: good.data.trainingSha256 }))).toEqual([]);
  });
});
