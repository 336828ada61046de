import { grouped, short, shownStep, spread, type SampleSlider } from '../state/index.js';
import { byId, element, setAttribute, setHidden } from './elements.js';
import type { PictureCache } from './picture-cache.js';

const GRIDS = 5;
/** Grids are drawn four times as large as the digits: at a quarter of that, a pixel is a pixel of a digit. */
const SCALE = 1 / 4;

interface Frame {
  readonly step: number;
  readonly button: HTMLButtonElement;
  readonly root: HTMLLIElement;
}

/** A few grids from the whole run side by side: how the digits grew, at a glance. */
export class FilmStrip {
  private readonly list = byId('film', HTMLElement);
  private readonly frames = new Map<number, Frame>();

  constructor(
    private readonly pictures: PictureCache,
    private readonly choose: (step: number) => void,
  ) {}

  /** Grids of a coordinator that was started again may differ. */
  clear(): void {
    this.frames.clear();
  }

  render(samples: SampleSlider): void {
    const steps = samples.steps.length < 2 ? [] : spread(samples.steps, GRIDS);
    setHidden(this.list, steps.length === 0);
    for (const step of this.frames.keys()) if (!steps.includes(step)) this.frames.delete(step);
    const frames = steps.map((step) => this.frameOf(step));
    const { children } = this.list;
    if (frames.length !== children.length || frames.some(({ root }, i) => children[i] !== root))
      this.list.replaceChildren(...frames.map(({ root }) => root));
    const shown = shownStep(samples);
    for (const { step, button } of frames) setAttribute(button, 'aria-pressed', String(step === shown));
  }

  private frameOf(step: number): Frame {
    const known = this.frames.get(step);
    if (known !== undefined) return known;
    const canvas = element('canvas');
    const button = element(
      'button',
      { type: 'button', 'aria-label': `Grid after step ${grouped(step)}` },
      canvas,
      element('span', { 'aria-hidden': 'true' }, short(step)),
    );
    button.addEventListener('click', () => this.choose(step));
    const frame = { step, button, root: element('li', {}, button) };
    this.frames.set(step, frame);
    this.pictures.load(step).then(
      (image) => drawSmall(image, canvas),
      // Asked for again when the strip changes.
      () => this.frames.delete(step),
    );
    return frame;
  }
}

function drawSmall(image: HTMLImageElement, canvas: HTMLCanvasElement): void {
  canvas.width = Math.round(image.naturalWidth * SCALE);
  canvas.height = Math.round(image.naturalHeight * SCALE);
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
}
