/** Where a run's images come from. */
export type { Dataset } from './dataset.js';
export { encodeIdx, parseIdx, readIdx, type IdxArray } from './idx.js';
export { findPart, readDataFile } from './images-folder.js';
export {
  MNIST_FILES,
  MNIST_MIRRORS,
  isMnistCached,
  loadMnist,
  type MnistOptions,
  type MnistPart,
} from './mnist.js';
export { openDataset, progressLines, type DatasetOptions } from './open-dataset.js';
export type { CheckedArray, DownloadProgress } from './published-file.js';
export { SyntheticDigits } from './synthetic/index.js';
