import { invariant } from '../../proto/index.js';
import type { IdxArray } from './idx.js';
import type { SyntheticDigits } from './synthetic/index.js';

/** A training set of grey images of one size. */
export interface Dataset {
  /** Shown to the user and recorded; the bits are told by `sha256`. */
  readonly name: string;
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  /** Bytes of one image: rows x columns. */
  readonly imageSize: number;
  /** Identifies the images: hash of all their bytes in order, or of what they follow from. */
  readonly sha256: string;
  /** Copies the images of `indices` one after the other into `out`, which they fill: [indices.length, imageSize]. */
  gather(indices: ArrayLike<number>, out: Uint8Array): void;
}

/** Images in memory. */
export class ArrayDataset implements Dataset {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  readonly imageSize: number;
  private readonly pixels: Uint8Array;

  /** @param images [count, rows, columns] */
  constructor(
    readonly name: string,
    images: IdxArray,
    readonly sha256: string,
  ) {
    const [count, rows, columns] = images.dimensions;
    invariant(
      images.dimensions.length === 3 && count && rows && columns,
      'a dataset is [count, rows, columns]',
    );
    this.count = count;
    this.rows = rows;
    this.columns = columns;
    this.imageSize = rows * columns;
    this.pixels = images.data;
  }

  gather(indices: ArrayLike<number>, out: Uint8Array): void {
    const { imageSize, pixels } = this;
    checkGather(indices, out, this);
    for (let i = 0; i < indices.length; i++) {
      const start = (indices[i] ?? 0) * imageSize;
      out.set(pixels.subarray(start, start + imageSize), i * imageSize);
    }
  }
}

/**
 * Drawn digits. An image is drawn when it is first asked for and kept: the first pass pays about 13 microseconds an
 * image, a start nothing.
 */
export class SyntheticDataset implements Dataset {
  readonly name = 'synthetic digits';
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  readonly imageSize: number;
  readonly sha256: string;
  private readonly pixels: Uint8Array;
  private readonly drawn: Uint8Array;

  constructor(private readonly digits: SyntheticDigits) {
    this.count = digits.count;
    this.rows = digits.rows;
    this.columns = digits.columns;
    this.imageSize = digits.imageSize;
    this.sha256 = digits.sha256;
    this.pixels = new Uint8Array(digits.count * digits.imageSize);
    this.drawn = new Uint8Array(digits.count);
  }

  gather(indices: ArrayLike<number>, out: Uint8Array): void {
    const { imageSize, pixels } = this;
    checkGather(indices, out, this);
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] ?? 0;
      const start = index * imageSize;
      if (this.drawn[index] === 0) {
        this.digits.draw(index, pixels, start);
        this.drawn[index] = 1;
      }
      out.set(pixels.subarray(start, start + imageSize), i * imageSize);
    }
  }
}

function checkGather(indices: ArrayLike<number>, out: Uint8Array, dataset: Dataset): void {
  invariant(
    out.byteLength === indices.length * dataset.imageSize,
    `${indices.length} images do not fill ${out.byteLength} bytes`,
  );
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] ?? -1;
    invariant(
      Number.isInteger(index) && index >= 0 && index < dataset.count,
      `no image ${index} in ${dataset.count}`,
    );
  }
}
