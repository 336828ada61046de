import type { LiveOf, LiveWorker } from '../contract.js';
import { besideOf, frontOf, ringOf, type PageState } from '../state/index.js';
import { byId, element, setAttribute, setHidden, setText } from './elements.js';
import { recall, remember } from './memory.js';
import { RingDrawing } from './ring-drawing.js';
import { WorkersTable } from './workers-table.js';

const KEY = 'gan-cluster-workers';
/** So many workers are drawn less often. */
const MANY = 100;
const MANY_REDRAW_MS = 2_000;

/** Who does the work: the ring, whoever is beside it, and why it is as it is. */
export class RingView {
  private readonly drawingHost = byId('ring-drawing', HTMLElement);
  private readonly tableHost = byId('ring-table', HTMLElement);
  private readonly drawing = new RingDrawing(this.drawingHost);
  private readonly table = new WorkersTable(this.tableHost);
  private readonly asDrawing = byId('as-drawing', HTMLButtonElement);
  private readonly asTable = byId('as-table', HTMLButtonElement);
  private readonly beside = byId('beside', HTMLElement);
  private readonly reason = byId('reason', HTMLElement);
  private besideShown = '';
  private drawn = { count: 0, atMs: 0 };
  private epoch: number | null = null;
  private tableChosen = recall(KEY) === 'table';

  constructor(private readonly changed: () => void) {
    this.asDrawing.addEventListener('click', () => this.choose(false));
    this.asTable.addEventListener('click', () => this.choose(true));
    this.choose(this.tableChosen);
  }

  render({ run, now, ended }: PageState, nowMs: number): void {
    const count = now?.workers.length ?? 0;
    const { drawn } = this;
    if (count > MANY && count === drawn.count && nowMs - drawn.atMs < MANY_REDRAW_MS) return;
    this.drawn = { count, atMs: nowMs };
    const workers = ended === null ? (now?.workers ?? []) : atRest(now?.workers ?? [], ended);
    const ringEpoch = now?.status.ringEpoch ?? 0;
    const ring = ringOf(workers);
    const imagesPerStep = run === null ? null : run.shards * run.shardBatch;
    const front = frontOf(ring, now?.status.imagesPerSecond ?? null, imagesPerStep);
    if (this.tableChosen) this.table.render(workers, front);
    else this.drawing.render(ring, front, ringEpoch);
    this.renderBeside(workers);
    if (now !== null) this.renderReason(ringEpoch, now.status.ringEpochReason);
  }

  private choose(table: boolean): void {
    this.tableChosen = table;
    remember(KEY, table ? 'table' : null);
    this.drawn = { count: 0, atMs: 0 };
    setHidden(this.tableHost, !table);
    setHidden(this.drawingHost, table);
    setAttribute(this.asTable, 'aria-pressed', String(table));
    setAttribute(this.asDrawing, 'aria-pressed', String(!table));
    this.changed();
  }

  private renderBeside(workers: readonly LiveWorker[]): void {
    const groups = besideOf(workers);
    const key = JSON.stringify(groups);
    if (key === this.besideShown) return;
    this.besideShown = key;
    setHidden(this.beside, groups.length === 0);
    this.beside.replaceChildren(
      ...groups.map(({ role, title, meaning, names, more }) => {
        const chips = names.map((name) => element('span', { class: 'chip' }, name));
        const rest = more > 0 ? [`and ${more} more`] : [];
        const head = element('dt', { title: meaning }, title);
        return element(
          'div',
          { 'data-role': role, title: meaning },
          head,
          element('dd', {}, ...chips, ...rest),
        );
      }),
    );
  }

  /** A new ring is pointed out for a moment. */
  private renderReason(ringEpoch: number, reason: string): void {
    setHidden(this.reason, reason === '');
    setText(this.reason, reason);
    if (this.epoch !== null && this.epoch !== ringEpoch && reason !== '') {
      this.reason.classList.remove('fresh');
      void this.reason.offsetWidth; // lets the animation begin again
      this.reason.classList.add('fresh');
    }
    this.epoch = ringEpoch;
  }
}

/** Nobody does anything after the end, whatever was heard last. */
const atRest = (workers: readonly LiveWorker[], { outcome }: LiveOf<'ended'>): LiveWorker[] =>
  workers.map((worker) => ({ ...worker, phase: outcome === 'done' ? 'done' : 'stopped' }));
