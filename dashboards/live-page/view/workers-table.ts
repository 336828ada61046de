import type { LiveWorker } from '../contract.js';
import {
  doingWords,
  keyed,
  lagOf,
  lagWords,
  ringOf,
  sharesOf,
  sharesWords,
  short,
  TIMED_PHASES,
  timedPhaseOf,
  UNKNOWN,
  type Front,
} from '../state/index.js';
import { element, setAttribute, setText } from './elements.js';

/** All workers as rows: the ring in its order, then the others. */
export class WorkersTable {
  private readonly body = element('tbody');
  private readonly rows = new Map<string, Row>();
  private order = '';

  constructor(host: HTMLElement) {
    const titles = ['Rank', 'Worker', 'Now', 'Time', 'Lag', 'Images'];
    const heads = titles.map((title) => element('th', { scope: 'col' }, title));
    host.append(element('table', {}, element('thead', {}, element('tr', {}, ...heads)), this.body));
  }

  render(workers: readonly LiveWorker[], front: Front): void {
    const ring = ringOf(workers);
    const all = keyed([...ring, ...workers.filter(({ rank }) => rank === null)]);
    for (const key of this.rows.keys()) if (!all.has(key)) this.rows.delete(key);
    for (const [key, worker] of all) {
      const row = this.rows.get(key) ?? new Row();
      this.rows.set(key, row);
      row.render(worker, front);
    }
    const order = [...all.keys()].join('\n');
    if (order === this.order) return;
    this.order = order;
    this.body.replaceChildren(...[...all.keys()].flatMap((key) => this.rows.get(key)?.root ?? []));
  }
}

class Row {
  readonly root: HTMLTableRowElement;
  private readonly rank = element('td', { class: 'number' });
  private readonly name = element('b');
  private readonly host = element('small');
  private readonly doing = element('span', { class: 'doing' });
  private readonly parts = TIMED_PHASES.map((phase) => element('i', { 'data-phase': phase }));
  private readonly bar = element('span', { class: 'share-bar', role: 'img' }, ...this.parts);
  private readonly lag = element('td', { class: 'number' });
  private readonly images = element('td', { class: 'number' });

  constructor() {
    this.root = element(
      'tr',
      {},
      this.rank,
      element('th', { scope: 'row' }, this.name, this.host),
      element('td', {}, this.doing),
      element('td', {}, this.bar),
      this.lag,
      this.images,
    );
  }

  render(worker: LiveWorker, front: Front): void {
    const lag = lagOf(worker, front);
    setAttribute(this.root, 'data-role', worker.role);
    setText(this.rank, worker.rank === null ? UNKNOWN : String(worker.rank));
    setText(this.name, worker.name);
    setText(this.host, worker.hostname);
    setText(this.doing, worker.rank === null ? worker.role.replace('-', ' ') : doingWords(worker));
    setAttribute(
      this.doing,
      'data-phase',
      worker.rank === null ? 'other' : (timedPhaseOf(worker) ?? 'other'),
    );
    setAttribute(this.bar, 'aria-label', sharesWords(worker));
    setAttribute(this.bar, 'title', sharesWords(worker));
    const shares = sharesOf(worker);
    for (const [i, phase] of TIMED_PHASES.entries()) {
      const part = this.parts[i];
      if (part !== undefined) part.style.flexGrow = String(Math.round(shares[phase] * 100));
    }
    setText(this.lag, lag === null ? UNKNOWN : lag === 0 ? '0' : `−${lag}`);
    setAttribute(this.lag, 'title', lag === null ? '' : lagWords(lag));
    setText(this.images, short(worker.images));
  }
}
