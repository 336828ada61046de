/** Which of the run's sample grids is shown. */
export interface SampleSlider {
  /** Steps after which a grid was drawn, ascending. */
  readonly steps: readonly number[];
  /** The step looked at; null sticks to the newest. */
  readonly chosen: number | null;
  /** Going forward by itself, up to the newest. */
  readonly playing: boolean;
}

export const NO_SAMPLES: SampleSlider = { steps: [], chosen: null, playing: false };

/** A film from the first to the newest grid takes about that long, within what the eye follows. */
const FILM_MS = 8_000;
const SHORTEST_FRAME_MS = 80;
const LONGEST_FRAME_MS = 600;

export const shownStep = ({ steps, chosen }: SampleSlider): number | null => chosen ?? steps.at(-1) ?? null;

/** Place of the shown step; 0 where there is none. */
export function shownIndex(slider: SampleSlider): number {
  const { steps, chosen } = slider;
  return chosen === null ? Math.max(0, steps.length - 1) : Math.max(0, steps.indexOf(chosen));
}

/** The step nearest to `step`, the later one of two. */
export function nearestStep(steps: readonly number[], step: number): number | null {
  let nearest: number | null = null;
  for (const candidate of steps) {
    if (nearest === null || Math.abs(candidate - step) <= Math.abs(nearest - step)) nearest = candidate;
  }
  return nearest;
}

/** Takes what there is now. A chosen step that is gone gives way to the nearest; the newest one never counts as chosen. */
export function withSteps(slider: SampleSlider, steps: readonly number[]): SampleSlider {
  if (slider.chosen === null) return { ...slider, steps };
  const kept = steps.includes(slider.chosen) ? slider.chosen : nearestStep(steps, slider.chosen);
  if (kept === null || kept === steps.at(-1)) return { steps, chosen: null, playing: false };
  return { ...slider, steps, chosen: kept };
}

/** The user picks a place: the last one sticks to the newest. */
export function moveTo(slider: SampleSlider, index: number): SampleSlider {
  const last = slider.steps.length - 1;
  const place = Math.max(0, Math.min(last, index));
  return { ...slider, chosen: place >= last ? null : (slider.steps[place] ?? null), playing: false };
}

export const goLive = (slider: SampleSlider): SampleSlider => ({ ...slider, chosen: null, playing: false });

/** Begins where the slider stands, or at the first grid if it stands at the newest. */
export function play(slider: SampleSlider): SampleSlider {
  if (slider.steps.length < 2) return slider;
  return { ...slider, chosen: slider.chosen ?? slider.steps[0] ?? null, playing: true };
}

export const pause = (slider: SampleSlider): SampleSlider => ({ ...slider, playing: false });

/** The film's next grid; with the newest it ends. */
export function nextFrame(slider: SampleSlider): SampleSlider {
  if (!slider.playing) return slider;
  const next = shownIndex(slider) + 1;
  return next >= slider.steps.length - 1 ? goLive(slider) : { ...slider, chosen: slider.steps[next] ?? null };
}

/** A grid that can no longer be had. */
export const withoutStep = (slider: SampleSlider, step: number): SampleSlider =>
  withSteps(
    slider,
    slider.steps.filter((kept) => kept !== step),
  );

export const frameMs = (grids: number): number =>
  Math.min(LONGEST_FRAME_MS, Math.max(SHORTEST_FRAME_MS, FILM_MS / Math.max(1, grids)));

/** At most `count` steps spread evenly over all, first and last among them. */
export function spread(steps: readonly number[], count: number): number[] {
  if (steps.length <= count) return [...steps];
  return Array.from(
    { length: count },
    (_, i) => steps[Math.round((i * (steps.length - 1)) / (count - 1))] ?? 0,
  );
}

/**
 * Width in CSS pixels at which a grid fills `available` and every pixel of a digit is the same number of screen pixels. Grids
 * are drawn four times as large as the digits, so quarters of the grid's own size do; small grids take whole multiples.
 */
export function crispWidth(natural: number, available: number, devicePixelRatio: number): number {
  if (natural <= 0 || available <= 0) return 0;
  const ratio = (available * devicePixelRatio) / natural;
  const parts = ratio >= 3 ? 1 : 4;
  const whole = Math.floor(ratio * parts + 1e-9);
  return whole === 0 ? available : (natural * whole) / parts / devicePixelRatio;
}
