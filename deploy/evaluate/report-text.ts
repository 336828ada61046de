import { grouped } from '../terminal/index.js';
import type { Evaluation } from './evaluation.js';
import type { ImagesOrigin } from './scored-images.js';
import type { Scores } from './scores.js';

const USUAL_COUNT = 10_000;
/** Below this what the classifier sees says little. */
const TRUSTED_ACCURACY = 0.98;
/** In classes of MNIST no digit has less than 8.9% or more than 11.4%. */
const RARE = 0.06;
const FREQUENT = 0.15;
const HASH_DIGITS = 12;

/** The report for people. */
export function reportText(evaluation: Evaluation): string {
  const { images, data, classifier, samples, real, copies } = evaluation;
  const found = warnings(evaluation);
  return [
    ...originLines(images, samples.count),
    `compared with  ${grouped(data.test)} test images of ${data.name}; beside them ${grouped(real.count)} real images from the training set`,
    `classifier     sees ${percent(classifier.testAccuracy)} of the test images right (SHA-256 ${classifier.sha256.slice(0, HASH_DIGITS)})`,
    '',
    table(
      [
        ['', 'these images', 'real images', 'better'],
        ['log-likelihood, nats', nats(samples), nats(real), 'higher'],
        ['Frechet distance', samples.frechetDistance.toFixed(2), real.frechetDistance.toFixed(2), 'lower'],
        ['density', samples.density.toFixed(2), real.density.toFixed(2), 'near 1'],
        ['coverage', samples.coverage.toFixed(2), real.coverage.toFixed(2), 'higher'],
        ['confidence', percent(samples.confidence), percent(real.confidence), 'higher'],
      ],
      [0, 3],
    ),
    '',
    table([
      ['digit', ...real.digits.map((_share, digit) => String(digit))],
      ['these images', ...samples.digits.map(percent)],
      ['real images', ...real.digits.map(percent)],
    ]),
    '',
    table([
      ['distance to the nearest training image', 'smallest', '1 of 100 below', 'median'],
      ['these images', ...distances(copies.samples)],
      ['test images', ...distances(copies.test)],
    ]),
    `Nearest real image is a training image: ${percent(copies.nearestIsTraining)} (${percent(copies.expected)} by chance, more hints at copies).`,
    `Nearer to one than 99 of 100 test images are: ${percent(copies.nearerThanTest)} (1% when they are like test images).`,
    '',
    ...EXPLANATIONS,
    ...(found.length === 0 ? [] : ['', ...found.map((warning) => `warning: ${warning}`)]),
  ].join('\n');
}

function originLines(origin: ImagesOrigin, count: number): string[] {
  if (origin.kind !== 'generator') {
    const first = origin.available > count ? 'the first ' : '';
    return [`images         ${first}${grouped(count)} of ${grouped(origin.available)} in ${origin.path}`];
  }
  const { provenance } = origin;
  const known = (name: string, words: (value: string) => string): string[] => {
    const value = provenance[name];
    return value === undefined ? [] : [words(value)];
  };
  const words = [
    ...known('step', (step) => `${/^\d{1,15}$/.test(step) ? grouped(Number(step)) : step} steps`),
    ...known('recipe', (recipe) => `recipe ${recipe}`),
    ...known('dataset', (dataset) => `trained on ${dataset}`),
    ...known('state_sha256', (hash) => `state ${hash.slice(0, HASH_DIGITS)}`),
  ];
  return [
    `generator      ${origin.path} (SHA-256 ${origin.sha256.slice(0, HASH_DIGITS)})`,
    ...(words.length === 0 ? [] : [`               ${printable(words.join(', '))}`]),
    `images         ${grouped(count)} made from noise of seed ${origin.seed}`,
  ];
}

const EXPLANATIONS = [
  'log-likelihood  how probable the test images are when a Gaussian stands around each of these images (a Parzen',
  '                window), as the GAN paper of 2014 measures it. Real images show what can be reached.',
  'Frechet         how far these images as a whole are from the test images, as the digit classifier sees them.',
  'density         how many of these images lie where real ones are dense: far below 1, many are no digits.',
  'coverage        share of the real images that have one of these near them: low when kinds of digits are missing.',
  'confidence      how sure the classifier is, on average, which digit it sees.',
];

/** What makes the numbers mean less, and what in them is a sign of trouble. */
export function warnings({ images, data, classifier, samples, real, copies }: Evaluation): string[] {
  const found: string[] = [];
  const trainedOn = images.kind === 'generator' ? images.provenance['dataset_sha256'] : undefined;
  if (trainedOn !== undefined && trainedOn !== data.trainingSha256)
    found.push(
      `the generator was trained on other images than the training set of ${data.name}: what is said of copies means nothing`,
    );
  if (samples.count < USUAL_COUNT)
    found.push(
      `only ${grouped(samples.count)} images: scores of fewer images are worse, compare them with those of as many (usual are ${grouped(USUAL_COUNT)})`,
    );
  if (real.count < samples.count)
    found.push(`the training set has only ${grouped(real.count)} real images to compare with`);
  if (classifier.testAccuracy < TRUSTED_ACCURACY)
    found.push(
      `the classifier sees only ${percent(classifier.testAccuracy)} of the test images right: all but the log-likelihood mean little`,
    );
  const rare = digitsWhere(samples, (share) => share < RARE);
  const frequent = digitsWhere(samples, (share) => share > FREQUENT);
  if (rare !== '') found.push(`drawn too seldom (below ${percent(RARE)}): ${rare}`);
  if (frequent !== '') found.push(`drawn too often (above ${percent(FREQUENT)}): ${frequent}`);
  if (copies.samples.smallest === 0) found.push('there are exact copies of training images among these');
  return found;
}

const digitsWhere = ({ digits }: Scores, test: (share: number) => boolean): string =>
  digits.flatMap((share, digit) => (test(share) ? [String(digit)] : [])).join(', ');

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
const nats = ({ logLikelihood: { nats: mean, standardError } }: Scores): string =>
  `${mean.toFixed(1)} +- ${standardError.toFixed(1)}`;
const distances = ({ smallest, percentile1, median }: Evaluation['copies']['test']): string[] =>
  [smallest, percentile1, median].map((distance) => distance.toFixed(2));

/** Words of a file, which may hold anything, for a terminal. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);

/** Columns as wide as what is in them; those of `left` begin at the left, others, with numbers, end at the right. */
function table(rows: readonly (readonly string[])[], left: readonly number[] = [0]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const padded = (cell: string, column: number): string =>
    left.includes(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(padded).join('  ').trimEnd()).join('\n');
}
