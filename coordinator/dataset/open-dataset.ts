import { OperationalError, UsageError } from '../../proto/index.js';
import { ArrayDataset, SyntheticDataset, type Dataset } from './dataset.js';
import { openImagesFolder } from './images-folder.js';
import { loadMnist } from './mnist.js';
import type { DownloadProgress } from './published-file.js';
import { SyntheticDigits } from './synthetic/index.js';

/** As many as MNIST's training set has. */
const SYNTHETIC_IMAGES = 60_000;

export interface DatasetOptions {
  /** Seed of the drawn digits; they are one dataset for each seed. */
  readonly seed: number;
  readonly cacheFolder: string;
  /** Refuse a dataset with fewer images, e.g. one global batch. */
  readonly minImages?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with lines fit to show a user, while something is downloaded. */
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly mirrors?: readonly string[] | undefined;
}

/**
 * Opens a training set.
 * @param source `mnist`, `synthetic`, or a folder that holds MNIST's training images or others of that shape as IDX
 * @throws UsageError for a folder that will not do, OperationalError('dataset') when MNIST cannot be had,
 * OperationalError('aborted')
 */
export async function openDataset(source: string, options: DatasetOptions): Promise<Dataset> {
  if (options.signal?.aborted) throw new OperationalError('aborted', 'opening the dataset was interrupted');
  const dataset = await open(source, options);
  const needed = options.minImages ?? 1;
  if (dataset.count < needed) {
    throw new UsageError(
      `--data: ${source} holds ${dataset.count} images; at least ${needed} were expected (one global batch)`,
    );
  }
  return dataset;
}

async function open(source: string, options: DatasetOptions): Promise<Dataset> {
  if (source === 'synthetic')
    return new SyntheticDataset(new SyntheticDigits(options.seed, SYNTHETIC_IMAGES));
  if (source !== 'mnist') return openImagesFolder(source);
  const { cacheFolder, signal, mirrors, onProgress } = options;
  const images = await loadMnist('train-images', {
    cacheFolder,
    signal,
    mirrors,
    onProgress: onProgress && progressLines(onProgress),
  });
  return new ArrayDataset('MNIST', images, images.sha256);
}

/** Turns a download's progress into a line when it starts and one at each further quarter. */
export function progressLines(say: (line: string) => void): (progress: DownloadProgress) => void {
  let host = '';
  let quarter = 0;
  return (progress) => {
    const { receivedBytes, totalBytes, words } = progress;
    if (progress.host !== host) {
      host = progress.host;
      quarter = 0;
      const size = totalBytes === null ? '' : ` (${megabytes(totalBytes)} MB)`;
      say(`downloading ${words} from ${host}${size} ...`);
    }
    if (totalBytes === null || totalBytes === 0) return;
    const reached = Math.floor((4 * receivedBytes) / totalBytes);
    if (reached > quarter) {
      quarter = reached;
      say(`  ${megabytes(receivedBytes)} of ${megabytes(totalBytes)} MB`);
    }
  };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
