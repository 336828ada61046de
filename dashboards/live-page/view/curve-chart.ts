import uPlot from 'uplot';
import { short, type Column } from '../state/index.js';
import type { Palette } from './palette.js';

export interface ChartSeries {
  readonly colour: keyof Palette;
  readonly filled?: boolean;
}

export interface ChartOptions {
  readonly host: HTMLElement;
  readonly series: readonly ChartSeries[];
  /** The value axis, from what the largest value is. */
  readonly range: (largest: number) => [from: number, to: number];
  /** A level that means something. */
  readonly guide?: number;
  readonly palette: () => Palette;
  /** Where the pointer is, as the place of a point; null when it has gone. */
  readonly onPoint: (index: number | null) => void;
}

/** Steps that are marked on the chart. */
export interface ChartMarks {
  /** The sample grid that is looked at; null when it is the newest. */
  readonly looked: number | null;
  readonly troubled: readonly number[];
}

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const STEPS = Array.from({ length: 9 }, (_, zeros) => [1, 2, 5].map((digit) => digit * 10 ** zeros)).flat();
/** All charts of the page show the same step under the pointer. */
const SYNC = 'steps';

/** One chart over the run's steps. */
export class CurveChart {
  private readonly plot: uPlot;
  private marks: ChartMarks = { looked: null, troubled: [] };

  constructor(private readonly options: ChartOptions) {
    const { host } = options;
    this.plot = new uPlot(this.plotOptions(), [[], ...options.series.map(() => [])], host);
    new ResizeObserver(() => this.fit()).observe(host);
  }

  setData(steps: readonly number[], columns: readonly Column[], marks: ChartMarks): void {
    this.marks = marks;
    this.plot.setData([steps as number[], ...columns.map((column) => column as (number | null)[])]);
  }

  setMarks(marks: ChartMarks): void {
    this.marks = marks;
    this.plot.redraw(false, false);
  }

  /** After the theme has changed. */
  repaint(): void {
    this.plot.redraw(false, true);
  }

  private fit(): void {
    const { clientWidth: width, clientHeight: height } = this.options.host;
    if (width > 0 && height > 0) this.plot.setSize({ width, height });
  }

  private plotOptions(): uPlot.Options {
    const { host, series, palette, range, onPoint } = this.options;
    const colour =
      (name: keyof Palette): (() => string) =>
      () =>
        palette()[name];
    const axis = {
      stroke: colour('muted'),
      font: FONT,
      gap: 6,
      ticks: { show: false },
      grid: { stroke: colour('grid'), width: 1 },
    };
    return {
      width: Math.max(1, host.clientWidth),
      height: Math.max(1, host.clientHeight),
      padding: [10, 12, 0, 0],
      legend: { show: false },
      cursor: {
        drag: { setScale: false, x: false, y: false },
        sync: { key: SYNC, setSeries: false },
        y: false,
        points: { size: 7 },
      },
      scales: {
        x: { time: false, range: (_plot, _min, max) => [0, Math.max(1, max ?? 1)] },
        y: { range: (_plot, _min, max) => range(max ?? 0) },
      },
      axes: [
        {
          ...axis,
          size: 26,
          space: 64,
          incrs: STEPS,
          grid: { show: false },
          values: (_plot, splits) => splits.map((step) => (step === 0 ? 'step 0' : short(step))),
        },
        { ...axis, size: 42, space: 26, values: (_plot, splits) => splits.map((value) => short(value)) },
      ],
      series: [
        {},
        ...series.map(({ colour: name, filled }) => ({
          stroke: colour(name),
          width: 1.5,
          ...(filled === true ? { fill: () => transparent(palette()[name]) } : {}),
          // A lone point has no line to be seen by.
          points: { show: (plot: uPlot) => plot.data[0].length === 1, size: 5 },
        })),
      ],
      hooks: {
        drawAxes: [(plot) => this.drawGuide(plot)],
        draw: [(plot) => this.drawMarks(plot)],
        setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)],
      },
    };
  }

  private drawGuide(plot: uPlot): void {
    const { guide, palette } = this.options;
    if (guide === undefined) return;
    const { left, width } = plot.bbox;
    const y = Math.round(plot.valToPos(guide, 'y', true));
    line(plot.ctx, palette().muted, 1, [4, 4], left, y, left + width, y);
  }

  private drawMarks(plot: uPlot): void {
    const { looked, troubled } = this.marks;
    const palette = this.options.palette();
    const { left, top, width, height } = plot.bbox;
    const ratio = devicePixelRatio;
    for (const step of troubled) {
      const x = Math.round(plot.valToPos(step, 'x', true));
      if (x < left || x > left + width) continue;
      plot.ctx.fillStyle = palette.warning;
      plot.ctx.fillRect(x - ratio, top + height - 6 * ratio, 2 * ratio, 6 * ratio);
    }
    if (looked === null) return;
    const x = Math.min(left + width, Math.max(left, Math.round(plot.valToPos(looked, 'x', true))));
    line(plot.ctx, palette.accent, 2, [], x, top, x, top + height);
  }
}

function line(
  context: CanvasRenderingContext2D,
  colour: string,
  width: number,
  dash: readonly number[],
  fromX: number,
  fromY: number,
  toX: number,
  toY: number,
): void {
  context.save();
  context.strokeStyle = colour;
  context.lineWidth = width * devicePixelRatio;
  context.setLineDash(dash.map((length) => length * devicePixelRatio));
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
  context.restore();
}

/** A computed colour, `rgb(r, g, b)`, nearly transparent. */
const transparent = (colour: string): string => colour.replace('rgb(', 'rgba(').replace(')', ', 0.12)');
