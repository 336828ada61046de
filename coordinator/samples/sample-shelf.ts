import { join } from 'node:path';
import { messageOf } from '../../proto/index.js';
import { gridPng } from '../picture.js';
import { isPassEnd, keptSamples } from './kept-samples.js';
import { PassFiles, passFileName } from './pass-files.js';
import { readGrid, sampleBytes, type SampleFrame, type SampleGrid } from './sample-grid.js';

/** Samples that are kept in memory, for the live page and the GIF. */
export const MAX_KEPT_SAMPLES = 200;
/** The folder within the run's result folder. */
export const SAMPLES_FOLDER = 'samples';

export interface SampleShelfOptions {
  /** The run's result folder. */
  readonly out: string;
  readonly stepsPerPass: number;
  readonly grid: SampleGrid;
  /** Is told what the disk refuses and which files are damaged. None of it stops a run. */
  readonly onWarning: (text: string) => void;
}

interface Sample {
  readonly images: Uint8Array;
  /** Encoded when it is first asked for. */
  png: Uint8Array | null;
}

/**
 * The sample grids of a run: at most MAX_KEPT_SAMPLES in memory, and a file for every pass whose end was sampled. The
 * steps at which samples are drawn follow from `isSampleStep`, not from here. Memory changes at once; the disk follows,
 * see `settled`.
 */
export class SampleShelf {
  private samples = new Map<number, Sample>();

  private constructor(
    private readonly options: SampleShelfOptions,
    private readonly files: PassFiles,
  ) {}

  /** Takes up what an earlier process has left in the folder; `truncate` has to follow if the run goes back behind it. */
  static async open(options: SampleShelfOptions): Promise<SampleShelf> {
    const { out, stepsPerPass, grid, onWarning } = options;
    const files = await PassFiles.open(join(out, SAMPLES_FOLDER), onWarning);
    const shelf = new SampleShelf(options, files);
    const found = files.passes.map((pass) => pass * stepsPerPass);
    for (const step of keptSamples(found, MAX_KEPT_SAMPLES, stepsPerPass)) {
      const pass = step / stepsPerPass;
      try {
        shelf.samples.set(step, { images: readGrid(await files.read(pass), grid), png: null });
      } catch (error) {
        onWarning(`${SAMPLES_FOLDER}/${passFileName(pass)} is left out: ${messageOf(error)}`);
      }
    }
    return shelf;
  }

  /**
   * Takes the images drawn after `step` steps. The same step may come again, from another worker say.
   * @param images uint8 [count, imageHeight x imageWidth], copied; what is not that is told and left out
   */
  add(step: number, images: Uint8Array): void {
    const { grid, stepsPerPass, onWarning } = this.options;
    const expected = sampleBytes(grid);
    if (!Number.isSafeInteger(step) || step < 1 || images.length !== expected) {
      onWarning(
        `a sample is left out: ${expected} bytes after 1 step or more were expected, ` +
          `found ${images.length} after ${step}`,
      );
      return;
    }
    const before = this.samples.get(step);
    if (before !== undefined && Buffer.compare(before.images, images) === 0) {
      this.files.follow();
      return;
    }
    const sample: Sample = { images: images.slice(), png: null };
    if (isPassEnd(step, stepsPerPass)) this.files.put(step / stepsPerPass, this.encoded(sample));
    else this.files.follow();
    this.samples.set(step, sample);
    this.keepOnly(keptSamples(this.steps(), MAX_KEPT_SAMPLES, stepsPerPass));
  }

  /** Forgets the samples of more than `step` steps, files included: they are drawn again. */
  truncate(step: number): void {
    this.keepOnly(this.steps().filter((kept) => kept <= step));
    this.files.removeAbove(Math.floor(step / this.options.stepsPerPass));
  }

  /** Ascending. */
  steps(): readonly number[] {
    return [...this.samples.keys()].sort((a, b) => a - b);
  }

  /** The picture of a kept sample. */
  png(step: number): Uint8Array | null {
    const sample = this.samples.get(step);
    return sample === undefined ? null : this.encoded(sample);
  }

  /** All kept samples, ascending. */
  frames(): readonly SampleFrame[] {
    return this.steps().map((step) => ({ step, images: this.sample(step).images }));
  }

  /** Tries again what the disk has refused, and waits until it has done, or refused, all. Never rejects. */
  settled(): Promise<void> {
    this.files.follow();
    return this.files.settled();
  }

  private keepOnly(steps: readonly number[]): void {
    if (steps.length === this.samples.size) return;
    this.samples = new Map(steps.map((step) => [step, this.sample(step)]));
  }

  private sample(step: number): Sample {
    const sample = this.samples.get(step);
    if (sample === undefined) throw new Error(`broken invariant: no sample of step ${step}`);
    return sample;
  }

  private encoded(sample: Sample): Uint8Array {
    sample.png ??= gridPng(sample.images, this.options.grid);
    return sample.png;
  }
}
