import { scaleLinear } from 'd3-scale';
import type { HistoryRow } from '../history.js';
import { curveOf, type Curve, type CurveColumn } from './curve-buckets.js';
import { drawPanel, type PlotSeries, type SharedAxis } from './plot-panel.js';
import { FAINT_INK, textAt } from './svg-shapes.js';

/** Pixels. */
export const PLOT_WIDTH = 1200;
export const PLOT_HEIGHT = 800;

/** People who do not see all colours can tell them apart too: after Okabe and Ito's palette. */
export const PLOT_COLORS = {
  discriminatorLoss: '#0072b2',
  generatorLoss: '#d55e00',
  discriminatorReal: '#009e73',
  discriminatorFake: '#a3418f',
} as const satisfies Record<CurveColumn, string>;

const LEFT = 92;
const RIGHT = PLOT_WIDTH - 40;
const LOSSES = { top: 142, bottom: 462 };
const OUTPUTS = { top: 534, bottom: 716 };
const X_TICKS = 10;
const LOSS_TICKS = 6;
/** One for about every three pixels. */
const MAX_BUCKETS = 360;
/** The bands of so many buckets may be cut off: a few bad steps must not flatten all the others. */
const CUT_BAND_SHARE = 0.02;
/** Of the losses' axis when there are no losses. */
const EMPTY_LOSS = 2;

/**
 * The losses of a run over its passes, or over its steps while it is in its first pass, and below them what the
 * discriminator takes for real, as SVG. Long runs are thinned to means, with a light band from the least to the greatest
 * value. It holds nothing but what follows from the arguments.
 * @param rows ascending by step
 */
export function lossesSvg(rows: readonly HistoryRow[], stepsPerPass: number): string {
  const stepsDone = (rows.at(-1)?.step ?? -1) + 1;
  const isInPasses = stepsDone >= stepsPerPass;
  const axis = stepsAxis(stepsDone, isInPasses ? stepsPerPass : 1);
  const series = (column: CurveColumn, name: string, legendX: number): PlotSeries => ({
    name,
    color: PLOT_COLORS[column],
    curve: curveOf(rows, column, MAX_BUCKETS),
    legendX,
  });
  const losses = [
    series('discriminatorLoss', 'discriminator', 870),
    series('generatorLoss', 'generator', 1054),
  ];
  const outputs = [
    series('discriminatorReal', 'real images, D(x)', 702),
    series('discriminatorFake', 'generated images, D(G(z))', 916),
  ];
  const greatest = greatestLoss(losses.map(({ curve }) => curve));
  const lossScale = scaleLinear().domain([0, greatest]).nice(LOSS_TICKS);
  const lossFormat = lossScale.tickFormat(LOSS_TICKS);
  const emptyText = rows.length === 0 ? 'no steps yet' : 'every update was skipped';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${PLOT_WIDTH}" height="${PLOT_HEIGHT}" font-family="DejaVu Sans">`,
    `<rect width="${PLOT_WIDTH}" height="${PLOT_HEIGHT}" fill="#ffffff"/>`,
    textAt(LEFT, 50, 'Generator against discriminator', { size: 28, isBold: true }),
    textAt(LEFT, 82, subtitle(stepsDone, stepsPerPass, losses[0]?.curve.stepsPerBucket ?? 1), {
      size: 15,
      color: FAINT_INK,
    }),
    ...drawPanel(
      {
        id: 'losses',
        title: 'Losses',
        unit: 'binary cross-entropy',
        scale: lossScale.range([LOSSES.bottom, LOSSES.top]),
        ticks: lossScale.ticks(LOSS_TICKS).map((value) => ({ value, label: lossFormat(value) })),
        series: losses,
        emptyText,
      },
      axis,
    ),
    ...drawPanel(
      {
        id: 'outputs',
        title: 'Taken for real by the discriminator',
        unit: 'mean output',
        scale: scaleLinear().domain([0, 1]).range([OUTPUTS.bottom, OUTPUTS.top]),
        ticks: ['0', '0.25', '0.5', '0.75', '1'].map((label) => ({ value: Number(label), label })),
        mark: { value: 0.5, name: '0.5: it cannot tell', legendX: 498 },
        series: outputs,
        emptyText,
      },
      axis,
    ),
    ...axis.ticks.map(({ at, label }) =>
      textAt(at, OUTPUTS.bottom + 24, label, { size: 15, anchor: 'middle', color: FAINT_INK }),
    ),
    textAt((LEFT + RIGHT) / 2, OUTPUTS.bottom + 56, isInPasses ? 'passes over the training set' : 'steps', {
      size: 16,
      anchor: 'middle',
    }),
    '</svg>',
  ].join('\n');
}

function stepsAxis(stepsDone: number, stepsPerUnit: number): SharedAxis {
  const scale = scaleLinear()
    .domain([0, Math.max(stepsDone, 1) / stepsPerUnit])
    .range([LEFT, RIGHT]);
  const ticks = scale
    .ticks(X_TICKS)
    .filter((tick) => stepsPerUnit > 1 || Number.isInteger(tick)) // half a step is nothing
    .map((tick) => ({ at: scale(tick), label: grouped(tick) }));
  return { scale, ticks, stepsPerUnit };
}

/** All means fit, and nearly all of the bands. */
function greatestLoss(curves: readonly Curve[]): number {
  const values = curves.flatMap(({ buckets }) => buckets.flatMap((bucket) => bucket.values ?? []));
  const mean = Math.max(0, ...values.map((value) => value.mean));
  const tops = values.map(({ greatest }) => greatest).sort((a, b) => a - b);
  const top = tops[Math.floor((tops.length - 1) * (1 - CUT_BAND_SHARE))] ?? 0;
  return Math.max(mean, top) || EMPTY_LOSS;
}

function subtitle(stepsDone: number, stepsPerPass: number, stepsPerPoint: number): string {
  const passes = Math.floor((stepsDone / stepsPerPass) * 10) / 10;
  return [
    ...(stepsDone < stepsPerPass ? [] : [counted(passes, 'pass', 'passes')]),
    counted(stepsDone, 'step', 'steps'),
    ...(stepsPerPoint === 1
      ? []
      : [`lines are means of ${grouped(stepsPerPoint)} steps, bands reach from the least to the greatest`]),
  ].join(', ');
}

const counted = (count: number, one: string, many: string): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

/** 12345.5 as 12,345.5, whatever the machine's language. */
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
