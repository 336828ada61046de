/** A grid of sample images, and after how many steps it was made. */
export interface Sample {
  readonly step: number;
  readonly images: Uint8Array<ArrayBuffer>;
}

/** More are needed only when the coordinator is away for longer than that. */
const MAX_KEPT = 4;

/**
 * The newest samples. All replicas make the same ones, and only rank 0's are told; the others keep theirs for the case that
 * they take its place.
 */
export class SampleLog {
  private samples: readonly Sample[] = [];

  add(sample: Sample): void {
    this.samples = [...this.samples, sample].slice(-MAX_KEPT);
  }

  /** Those of more than `step` steps. */
  after(step: number): readonly Sample[] {
    return this.samples.filter((sample) => sample.step > step);
  }

  /** The replica stands at `step` now: what was made later is void. */
  truncate(step: number): void {
    this.samples = this.samples.filter((sample) => sample.step <= step);
  }
}
