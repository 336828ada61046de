import type { LiveWorker } from '../contract.js';
import {
  detailWords,
  doingWords,
  fitting,
  LABEL_LINE,
  lagOf,
  sharesOf,
  TIMED_PHASES,
  timedPhaseOf,
  type Front,
  type RingLayout,
  type RingPlace,
} from '../state/index.js';
import { setAttribute, setText, svgElement } from './elements.js';

const LABEL_LETTERS = 15;

/** A worker in the drawing: what it does now in the middle, round it what its time goes to. */
export class RingNode {
  readonly root: SVGGElement;
  private readonly title = svgElement('title');
  private readonly track = svgElement('circle', { class: 'node-track' });
  private readonly core = svgElement('circle', { class: 'node-core' });
  private readonly rank = svgElement('text', { class: 'node-rank', dy: '0.35em' });
  private readonly name = svgElement('text', { class: 'node-name' });
  private readonly doing = svgElement('text', { class: 'node-doing' });
  private readonly shares = TIMED_PHASES.map((phase) =>
    svgElement('circle', {
      class: 'node-share',
      'data-phase': phase,
      pathLength: '1',
      transform: 'rotate(-90)',
    }),
  );

  constructor() {
    const { title, track, shares, core, rank, name, doing } = this;
    this.root = svgElement('g', { class: 'node' }, title, track, ...shares, core, rank, name, doing);
  }

  render(worker: LiveWorker, place: RingPlace, layout: RingLayout, front: Front): void {
    this.root.style.transform = `translate(${place.x}px, ${place.y}px)`;
    setAttribute(this.root, 'data-role', worker.role);
    setAttribute(this.root, 'data-phase', timedPhaseOf(worker) ?? 'other');
    setText(this.title, detailWords(worker, front));
    this.renderShares(worker, layout.nodeRadius);
    setText(this.rank, layout.ranks ? String(worker.rank ?? '') : '');
    this.rank.style.fontSize = `${Math.min(14, layout.nodeRadius * 0.85)}px`;
    this.renderLabel(worker, place, layout, front);
  }

  private renderShares(worker: LiveWorker, radius: number): void {
    const width = Math.min(5, radius * 0.28);
    setAttribute(this.track, 'r', String(radius - width / 2));
    setAttribute(this.track, 'stroke-width', String(width));
    setAttribute(this.core, 'r', String(Math.max(1.5, radius - width - Math.min(2, radius * 0.1))));
    const shares = sharesOf(worker);
    let start = 0;
    for (const [i, phase] of TIMED_PHASES.entries()) {
      const circle = this.shares[i];
      if (circle === undefined) continue;
      // Whole per cents: shares change in every message, by less than can be seen.
      const share = Math.round(shares[phase] * 100) / 100;
      setAttribute(circle, 'r', String(radius - width / 2));
      setAttribute(circle, 'stroke-width', String(width));
      setAttribute(circle, 'stroke-dasharray', `${share} 1`);
      setAttribute(circle, 'stroke-dashoffset', String(-start));
      start += share;
    }
  }

  private renderLabel(worker: LiveWorker, place: RingPlace, layout: RingLayout, front: Front): void {
    const lag = lagOf(worker, front) ?? 0;
    const behind = lag > 0 ? ` · −${lag}` : '';
    setText(this.name, layout.labels === 'none' ? '' : fitting(worker.name, LABEL_LETTERS));
    setText(this.doing, layout.labels === 'full' ? `${doingWords(worker)}${behind}` : '');
    for (const [line, text] of [this.name, this.doing].entries()) {
      setAttribute(text, 'text-anchor', place.anchor);
      setAttribute(text, 'x', String(place.labelX));
      setAttribute(text, 'y', String(place.labelY + line * LABEL_LINE));
    }
  }
}
