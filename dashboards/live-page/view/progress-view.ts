import {
  checkpointWords,
  grouped,
  percent,
  phaseWords,
  progressOf,
  timeLeftWords,
  UNKNOWN,
  besideWords,
  type PageState,
} from '../state/index.js';
import { byId, setAttribute, setHidden, setText } from './elements.js';

/** The run in numbers, and how far it is. */
export class ProgressView {
  private readonly tiles = {
    phase: byId('phase', HTMLElement),
    step: byId('step', HTMLElement),
    steps: byId('steps', HTMLElement),
    pass: byId('pass', HTMLElement),
    passes: byId('passes', HTMLElement),
    timeLeft: byId('time-left', HTMLElement),
    rate: byId('rate', HTMLElement),
    workers: byId('workers', HTMLElement),
    besideCount: byId('beside-count', HTMLElement),
    checkpoint: byId('checkpoint', HTMLElement),
    checkpointAge: byId('checkpoint-age', HTMLElement),
  };
  private readonly bar = byId('progress', HTMLElement);
  private readonly done = byId('progress-done', HTMLElement);
  private readonly mark = byId('progress-checkpoint', HTMLElement);

  render(state: PageState): void {
    const { tiles } = this;
    const { now, ended } = state;
    setText(tiles.phase, phaseWords(state));
    setAttribute(tiles.phase, 'data-phase', ended?.outcome ?? now?.status.phase ?? 'unknown');
    setText(tiles.timeLeft, timeLeftWords(state));
    if (now === null) return;
    const { status, checkpoint } = now;
    const progress = progressOf(status);
    setText(tiles.step, grouped(progress.step));
    setText(tiles.steps, `of ${grouped(progress.steps)}`);
    setText(tiles.pass, grouped(progress.pass));
    setText(tiles.passes, `of ${grouped(progress.passes)}`);
    setText(tiles.rate, status.imagesPerSecond === null ? UNKNOWN : grouped(status.imagesPerSecond));
    setText(tiles.workers, grouped(status.workers));
    setText(tiles.besideCount, besideWords(status));
    const words = checkpointWords(checkpoint);
    setText(tiles.checkpoint, words.step);
    setText(tiles.checkpointAge, words.age);
    this.renderBar(
      progress.share,
      progress.passes,
      checkpoint === null ? null : checkpoint.step / status.steps,
    );
  }

  private renderBar(share: number, passes: number, checkpoint: number | null): void {
    setAttribute(this.bar, 'aria-valuenow', String(Math.floor(share * 100)));
    setAttribute(this.bar, 'aria-valuetext', percent(share));
    // Ticks closer than a few pixels would be a grey bar.
    this.bar.style.setProperty('--passes', String(passes <= 100 ? passes : 1));
    this.done.style.width = `${share * 100}%`;
    setHidden(this.mark, checkpoint === null);
    if (checkpoint !== null) this.mark.style.left = `${Math.min(1, checkpoint) * 100}%`;
  }
}
