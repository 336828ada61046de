import {
  crispWidth,
  frameMs,
  goLive,
  grouped,
  moveTo,
  nextFrame,
  noSampleWords,
  pause,
  play,
  sampleWords,
  shownIndex,
  shownStep,
  spread,
  withoutStep,
  type PageState,
  type SampleSlider,
} from '../state/index.js';
import { byId, setAttribute, setHidden, setText } from './elements.js';
import { FilmStrip } from './film-strip.js';
import { PictureCache } from './picture-cache.js';

/** Grids kept in memory, each under a megabyte when decoded. */
const MAX_PICTURES = 40;
/** A picture that could not be had is asked for again after that time. */
const RETRY_MS = 3_000;

/** The sample grid, and the way back through the run. */
export class SamplesView {
  private readonly frame = byId('picture', HTMLElement);
  private readonly caption = byId('sample-caption', HTMLElement);
  private readonly empty = byId('no-sample', HTMLElement);
  private readonly slider = byId('slider', HTMLInputElement);
  private readonly playButton = byId('play', HTMLButtonElement);
  private readonly liveButton = byId('live', HTMLButtonElement);
  private readonly pictures = new PictureCache(MAX_PICTURES);
  private readonly strip: FilmStrip;
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)');
  private image: HTMLImageElement | null = null;
  private shown: number | null = null;
  private wanted: number | null = null;
  private failed: { step: number; atMs: number } | null = null;
  private coordinator: string | null = null;
  private stepsPerPass: number | null = null;
  private over = false;
  private kept: readonly number[] | null = null;
  private samples: SampleSlider | null = null;
  private turning: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly change: (how: (slider: SampleSlider) => SampleSlider) => void) {
    this.strip = new FilmStrip(this.pictures, (step) =>
      change((slider) => moveTo(slider, slider.steps.indexOf(step))),
    );
    this.slider.addEventListener('input', () =>
      change((slider) => moveTo(slider, Number(this.slider.value))),
    );
    this.liveButton.addEventListener('click', () => change(goLive));
    this.playButton.addEventListener('click', () =>
      change((slider) => (slider.playing ? pause(slider) : play(slider))),
    );
    new ResizeObserver(() => this.fit()).observe(this.frame);
  }

  render(state: PageState): void {
    this.stepsPerPass = state.run?.stepsPerPass ?? null;
    if (state.run !== null && state.run.coordinator !== this.coordinator) {
      // After a restart the same step may have another grid: a run that went back to a checkpoint draws it anew.
      this.pictures.clear();
      this.strip.clear();
      this.coordinator = state.run.coordinator;
      this.wanted = null;
    }
    this.over = state.ended !== null;
    // The coordinator of a run that is over goes: what the slider is to show later is fetched while it is still there.
    if (this.over || state.now?.status.phase === 'finishing') this.keepAll(state.samples);
    if (state.samples !== this.samples) {
      this.samples = state.samples;
      this.renderControls(state.samples);
    }
    setText(this.empty, noSampleWords(state));
    this.want(shownStep(state.samples));
  }

  private renderControls(samples: SampleSlider): void {
    const last = Math.max(0, samples.steps.length - 1);
    this.slider.max = String(last);
    this.slider.value = String(shownIndex(samples));
    this.slider.disabled = last === 0;
    this.playButton.disabled = last === 0;
    this.liveButton.disabled = samples.steps.length === 0;
    this.strip.render(samples);
    const step = shownStep(samples);
    setAttribute(this.slider, 'aria-valuetext', step === null ? 'none yet' : `after step ${grouped(step)}`);
    setAttribute(this.liveButton, 'aria-pressed', String(samples.chosen === null));
    setAttribute(this.playButton, 'aria-label', samples.playing ? 'Pause' : 'Play the growth');
    this.playButton.classList.toggle('playing', samples.playing);
    if (samples.playing && this.turning === null) this.turn();
    if (!samples.playing && this.turning !== null) {
      clearTimeout(this.turning);
      this.turning = null;
    }
  }

  /** One frame of the film: its picture is there before it is shown, so the film waits rather than flickers. */
  private turn(): void {
    const steps = this.samples?.steps ?? [];
    const ms = Math.max(this.calm.matches ? 400 : 0, frameMs(steps.length));
    const timer = setTimeout(() => {
      const samples = this.samples;
      if (samples?.playing !== true) return;
      const at = shownIndex(samples) + 1;
      for (const ahead of samples.steps.slice(at + 1, at + 4))
        this.pictures.load(ahead).catch(() => undefined);
      const next = samples.steps[at];
      const ready = next === undefined ? Promise.resolve(null) : this.pictures.load(next).catch(() => null);
      void ready.then(() => {
        if (this.turning !== timer) return;
        this.change(nextFrame);
        this.turn();
      });
    }, ms);
    this.turning = timer;
  }

  private want(step: number | null): void {
    if (step === null) {
      this.show(null, null);
      return;
    }
    if (step === this.wanted) return;
    if (this.failed?.step === step && performance.now() - this.failed.atMs < RETRY_MS) return;
    this.wanted = step;
    this.pictures.load(step).then(
      (image) => {
        if (this.wanted === step) this.show(step, image);
      },
      () => this.onFailed(step),
    );
  }

  private onFailed(step: number): void {
    if (this.wanted !== step) return;
    this.wanted = null;
    this.failed = { step, atMs: performance.now() };
    setText(this.caption, `the grid after step ${grouped(step)} cannot be had`);
    // Nobody will serve it any more, so the slider goes without it.
    if (this.over) this.change((slider) => withoutStep(slider, step));
  }

  private show(step: number | null, image: HTMLImageElement | null): void {
    if (image === this.image && step === this.shown) return;
    this.image?.remove();
    this.image = image;
    this.shown = step;
    setHidden(this.empty, image !== null);
    setText(this.caption, step === null ? '' : sampleWords(step, this.stepsPerPass));
    if (image === null) return;
    this.frame.prepend(image);
    this.fit();
  }

  private fit(): void {
    if (this.image === null) return;
    const available = Math.min(this.frame.clientWidth, this.frame.clientHeight);
    const width = crispWidth(this.image.naturalWidth, available, devicePixelRatio);
    this.image.style.width = `${width}px`;
    this.image.style.height = `${(width * this.image.naturalHeight) / Math.max(1, this.image.naturalWidth)}px`;
  }

  private keepAll({ steps }: SampleSlider): void {
    if (steps === this.kept) return;
    this.kept = steps;
    for (const step of spread(steps, MAX_PICTURES)) this.pictures.load(step).catch(() => undefined);
  }
}
