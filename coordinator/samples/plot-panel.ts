import type { ScaleLinear } from 'd3-scale';
import { area, line } from 'd3-shape';
import type { Curve, CurveBucket } from './curve-buckets.js';
import { FAINT_INK, dotAt, lineBetween, textAt, type LineStyle } from './svg-shapes.js';

const GRID = '#e4e7eb';
const AXIS = '#8b949e';
const TICK_TEXT = 15;
const LINE_WIDTH = 2.25;
const DOT_RADIUS = 3;
const BAND_OPACITY = 0.16;
/** Width of the piece of line in front of a legend's entry. */
const SWATCH = 20;
const MARK_STYLE: LineStyle = { color: FAINT_INK, width: 1.5, dashes: '6 4' };

export interface PlotSeries {
  readonly name: string;
  readonly color: string;
  readonly curve: Curve;
  /** Where its entry in the legend begins. */
  readonly legendX: number;
}

/** A horizontal axis that panels below each other share; its range is their left and right edge, in pixels. */
export interface SharedAxis {
  readonly scale: ScaleLinear<number, number>;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
  /** Steps for each unit of the scale. */
  readonly stepsPerUnit: number;
}

export interface PlotPanel {
  /** Of the picture's one clip path for it. */
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** Its range is the panel's bottom and top. */
  readonly scale: ScaleLinear<number, number>;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
  /** A dashed line with an entry in the legend. */
  readonly mark?: { readonly value: number; readonly name: string; readonly legendX: number };
  readonly series: readonly PlotSeries[];
  /** Shown when no series has a value. */
  readonly emptyText: string;
}

/** Title, legend, grid, vertical axis and curves, as lines of SVG. */
export function drawPanel(panel: PlotPanel, axis: SharedAxis): string[] {
  const { id, title, unit, scale: y, ticks, mark, series, emptyText } = panel;
  const [left = 0, right = 0] = axis.scale.range();
  const [bottom = 0, top = 0] = y.range();
  const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
  const baseline = top - 18;
  const hasValues = series.some(({ curve }) => curve.buckets.some(({ values }) => values !== null));
  return [
    textAt(left, baseline, title, { size: 18, isBold: true }),
    textAt(left - 62, middle.y, unit, { size: TICK_TEXT, anchor: 'middle', isUpright: true }),
    ...series.flatMap(({ name, color, legendX }) =>
      legendEntry(name, legendX, baseline, { color, width: 4 }),
    ),
    ...(mark === undefined ? [] : legendEntry(mark.name, mark.legendX, baseline, MARK_STYLE)),
    ...axis.ticks.map(({ at }) => lineBetween([at, top], [at, bottom], { color: GRID })),
    ...ticks.flatMap(({ value, label }) => [
      lineBetween([left, y(value)], [right, y(value)], { color: GRID }),
      textAt(left - 12, y(value) + 5, label, { size: TICK_TEXT, anchor: 'end', color: FAINT_INK }),
    ]),
    // A little higher than the panel, so that a line along its edge keeps its width.
    `<clipPath id="${id}"><rect x="${left}" y="${top - 2}" width="${right - left}" height="${bottom - top + 4}"/></clipPath>`,
    `<g clip-path="url(#${id})">`,
    ...series.map((entry) => drawBand(entry, axis, y)),
    ...(mark === undefined ? [] : [lineBetween([left, y(mark.value)], [right, y(mark.value)], MARK_STYLE)]),
    ...series.flatMap((entry) => drawMeans(entry, axis, y)),
    '</g>',
    ...(hasValues
      ? []
      : [textAt(middle.x, middle.y - 12, emptyText, { size: 18, anchor: 'middle', color: FAINT_INK })]),
    lineBetween([left, bottom], [right, bottom], { color: AXIS, width: 1.5 }),
  ];
}

function legendEntry(name: string, x: number, baseline: number, style: LineStyle): string[] {
  return [
    lineBetween([x, baseline - 5], [x + SWATCH, baseline - 5], style),
    textAt(x + SWATCH + 8, baseline, name, { size: 16 }),
  ];
}

type Valued = CurveBucket & { readonly values: NonNullable<CurveBucket['values']> };

const hasValue = (bucket: CurveBucket | undefined): bucket is Valued =>
  bucket !== undefined && bucket.values !== null;

/** From the least to the greatest value of each bucket. */
function drawBand({ color, curve }: PlotSeries, axis: SharedAxis, y: ScaleLinear<number, number>): string {
  if (curve.stepsPerBucket === 1) return '';
  const path = area<CurveBucket>()
    .defined(hasValue)
    .x(({ at }) => axis.scale(at / axis.stepsPerUnit))
    .y0(({ values }) => y(values?.least ?? 0))
    .y1(({ values }) => y(values?.greatest ?? 0))
    .digits(2)(curve.buckets);
  return `<path d="${path ?? ''}" fill="${color}" fill-opacity="${BAND_OPACITY}"/>`;
}

/** A line, broken where there are no values; a dot for a value that has no neighbours. */
function drawMeans({ color, curve }: PlotSeries, axis: SharedAxis, y: ScaleLinear<number, number>): string[] {
  const { buckets } = curve;
  const xOf = ({ at }: CurveBucket): number => axis.scale(at / axis.stepsPerUnit);
  const path = line<CurveBucket>()
    .defined(hasValue)
    .x(xOf)
    .y(({ values }) => y(values?.mean ?? 0))
    .digits(2)(buckets);
  const alone = buckets.filter(
    (bucket, i): bucket is Valued =>
      hasValue(bucket) && !hasValue(buckets[i - 1]) && !hasValue(buckets[i + 1]),
  );
  return [
    `<path d="${path ?? ''}" fill="none" stroke="${color}" stroke-width="${LINE_WIDTH}" stroke-linejoin="round"/>`,
    ...alone.map((bucket) => dotAt(xOf(bucket), y(bucket.values.mean), DOT_RADIUS, color)),
  ];
}
