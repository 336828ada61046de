import {
  balanceWords,
  grouped,
  measure,
  NO_CURVE,
  pointSteps,
  pointsOf,
  shownStep,
  troubledSteps,
  UNKNOWN,
  type Column,
  type PageState,
} from '../state/index.js';
import type { CurveColumn } from '../contract.js';
import { CurveChart, type ChartMarks, type ChartOptions, type ChartSeries } from './curve-chart.js';
import { byId, element, setAttribute, setText } from './elements.js';
import { readPalette } from './palette.js';

interface Line extends ChartSeries {
  readonly column: CurveColumn;
  readonly name: string;
  readonly words: (value: number | null) => string;
  /** Its newest value, fresher than the curve's last mean. */
  readonly newest: (state: PageState) => number | null;
}

interface Panel {
  readonly id: 'losses' | 'outputs' | 'rates';
  readonly title: string;
  readonly lines: readonly Line[];
  readonly range: ChartOptions['range'];
  readonly guide?: number;
}

const three = (value: number | null): string => measure(value, 3);
const two = (value: number | null): string => measure(value, 2);
const whole = (value: number | null): string => (value === null ? UNKNOWN : grouped(value));
/** Room above the largest value. */
const above =
  (smallest: number): Panel['range'] =>
  (largest) => [0, Math.max(smallest, largest) * 1.08];

const PANELS: readonly Panel[] = [
  {
    id: 'losses',
    title: 'Losses',
    range: above(1),
    lines: [
      {
        column: 'discriminatorLoss',
        name: 'D',
        colour: 'discriminator',
        words: three,
        newest: ({ now }) => now?.status.discriminatorLoss ?? null,
      },
      {
        column: 'generatorLoss',
        name: 'G',
        colour: 'generator',
        words: three,
        newest: ({ now }) => now?.status.generatorLoss ?? null,
      },
    ],
  },
  {
    id: 'outputs',
    title: 'Outputs of D',
    range: () => [0, 1],
    guide: 0.5,
    lines: [
      {
        column: 'discriminatorReal',
        name: 'D(x)',
        colour: 'discriminator',
        words: two,
        newest: ({ now }) => now?.status.discriminatorReal ?? null,
      },
      {
        column: 'discriminatorFake',
        name: 'D(G(z))',
        colour: 'generator',
        words: two,
        newest: ({ now }) => now?.status.discriminatorFake ?? null,
      },
    ],
  },
  {
    id: 'rates',
    title: 'Images a second',
    range: above(10),
    lines: [
      {
        column: 'imagesPerSecond',
        name: '',
        colour: 'rate',
        filled: true,
        words: whole,
        newest: ({ now }) => now?.status.imagesPerSecond ?? null,
      },
    ],
  },
];

/** Charts follow the run at most that often: drawing them is most of what the page costs its machine. */
const REDRAW_MS = 1_000;

/** Losses, outputs and images a second over the steps of the run. */
export class CurvesView {
  private palette = readPalette();
  private readonly panels: { panel: Panel; chart: CurveChart; host: HTMLElement; legend: Legend }[];
  private readonly balance = byId('balance', HTMLElement);
  private point: number | null = null;
  private state: PageState | null = null;
  private drawn: { curve: PageState['curve']; marks: ChartMarks; atMs: number } = {
    curve: NO_CURVE,
    marks: { looked: null, troubled: [] },
    atMs: Number.NEGATIVE_INFINITY,
  };
  private steps: number[] = [];
  private troubled: { events: PageState['events']; steps: number[] } = { events: [], steps: [] };

  constructor() {
    this.panels = PANELS.map((panel) => {
      const host = byId(panel.id, HTMLElement);
      host.setAttribute('role', 'img');
      const chart = new CurveChart({
        host,
        series: panel.lines,
        range: panel.range,
        ...(panel.guide === undefined ? {} : { guide: panel.guide }),
        palette: () => this.palette,
        onPoint: (index) => this.onPoint(index),
      });
      return { panel, chart, host, legend: new Legend(panel) };
    });
  }

  render(state: PageState, nowMs: number): void {
    this.state = state;
    if (state.events !== this.troubled.events)
      this.troubled = { events: state.events, steps: troubledSteps(state.events) };
    const { chosen } = state.samples;
    const marks = {
      looked: chosen === null ? null : shownStep(state.samples),
      troubled: this.troubled.steps,
    };
    if (state.curve !== this.drawn.curve && nowMs - this.drawn.atMs >= REDRAW_MS)
      this.draw(state, marks, nowMs);
    else if (marks.looked !== this.drawn.marks.looked || marks.troubled !== this.drawn.marks.troubled) {
      this.drawn = { ...this.drawn, marks };
      for (const { chart } of this.panels) chart.setMarks(marks);
    }
    this.renderValues(state);
  }

  repaint(): void {
    this.palette = readPalette();
    for (const { chart } of this.panels) chart.repaint();
  }

  private draw(state: PageState, marks: ChartMarks, nowMs: number): void {
    this.drawn = { curve: state.curve, marks, atMs: nowMs };
    this.steps = pointSteps(state.curve, state.now?.status.step ?? 0);
    for (const { panel, chart } of this.panels) {
      const columns: Column[] = panel.lines.map(({ column }) => state.curve.columns[column]);
      chart.setData(this.steps, columns, marks);
    }
  }

  private onPoint(index: number | null): void {
    if (index === this.point) return;
    this.point = index;
    if (this.state !== null) this.renderValues(this.state);
  }

  /** The newest values, or those under the pointer. */
  private renderValues(state: PageState): void {
    const at = this.point !== null && this.point < pointsOf(state.curve) ? this.point : null;
    const step = at === null ? null : (this.steps[at] ?? null);
    for (const { panel, host, legend } of this.panels) {
      const values = panel.lines.map((line) =>
        line.words(at === null ? line.newest(state) : (state.curve.columns[line.column][at] ?? null)),
      );
      legend.render(step, values);
      const told = panel.lines
        .map((line) => `${line.name} ${line.words(line.newest(state))}`.trim())
        .join(', ');
      setAttribute(host, 'aria-label', `${panel.title} over the steps of the run: now ${told}`);
    }
    const status = state.now?.status;
    setText(this.balance, balanceWords(status?.discriminatorReal ?? null, status?.discriminatorFake ?? null));
  }
}

/** Names, colours and values of a panel's lines. */
class Legend {
  private readonly step = element('span', { class: 'legend-step' });
  private readonly values: HTMLElement[];

  constructor({ id, lines }: Panel) {
    this.values = lines.map(() => element('b'));
    const entries = lines.map((line, i) => {
      const entry = element('span', { class: 'legend-entry' });
      entry.style.setProperty('--colour', `var(--${line.colour})`);
      if (line.name !== '') entry.append(element('i'), ` ${line.name} `);
      entry.append(this.values[i] ?? '');
      return entry;
    });
    byId(`${id}-legend`, HTMLElement).append(this.step, ...entries);
  }

  render(step: number | null, values: readonly string[]): void {
    setText(this.step, step === null ? '' : `step ${grouped(step)}`);
    for (const [i, value] of this.values.entries()) setText(value, values[i] ?? '');
  }
}
