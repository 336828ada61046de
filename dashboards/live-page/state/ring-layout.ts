/** Where a worker stands, in units of the drawing, (0, 0) in its middle. */
export interface RingPlace {
  readonly x: number;
  readonly y: number;
  /** Baseline of the label's first line, relative to the worker's place. */
  readonly labelX: number;
  readonly labelY: number;
  readonly anchor: 'start' | 'middle' | 'end';
}

export interface RingLayout {
  readonly radius: number;
  readonly nodeRadius: number;
  /** Beyond a certain number labels would lie upon each other: then names, or nothing, is written. */
  readonly labels: 'full' | 'name' | 'none';
  /** Ranks are written into the nodes. */
  readonly ranks: boolean;
  readonly places: readonly RingPlace[];
  /** Paths of the arrows from each worker to its successor, or of a single one that shows the direction. */
  readonly arrows: readonly string[];
}

/** The drawing is that large; labels have room beside the ring. */
export const RING_WIDTH = 460;
export const RING_HEIGHT = 332;
export const LABEL_LINE = 14;
/** An arrow's head is longer than its path says. */
const ARROW_GAP = 5;
const ARROW_HEAD = 8;

const round = (value: number): number => Math.round(value * 100) / 100;

/** Rank 0 is at the top; ranks go clockwise, as data does. */
export function ringLayout(count: number): RingLayout {
  const radius = count <= 8 ? 102 : 112;
  const nodeRadius = count === 0 ? 0 : Math.max(2.5, Math.min(25, ((Math.PI * radius) / count) * 0.62));
  const angleOf = (place: number): number => -Math.PI / 2 + (2 * Math.PI * place) / Math.max(1, count);
  const labels = count <= 8 ? 'full' : count <= 16 ? 'name' : 'none';
  return {
    radius,
    nodeRadius: round(nodeRadius),
    labels,
    ranks: count <= 32,
    places: Array.from({ length: count }, (_, i) =>
      placeAt(angleOf(i), radius, nodeRadius, labels === 'full' ? 2 : 1),
    ),
    arrows: arrowsOf(count, radius, nodeRadius, angleOf),
  };
}

function placeAt(angle: number, radius: number, nodeRadius: number, lines: number): RingPlace {
  const cosine = Math.cos(angle);
  const sine = Math.sin(angle);
  const place = { x: round(cosine * radius), y: round(sine * radius) };
  const away = nodeRadius + 8;
  if (Math.abs(cosine) < 0.3) {
    const labelY = sine < 0 ? -away - (lines - 1) * LABEL_LINE : away + 11;
    return { ...place, labelX: 0, labelY: round(labelY), anchor: 'middle' };
  }
  const anchor = cosine > 0 ? 'start' : 'end';
  return { ...place, labelX: round(Math.sign(cosine) * away), labelY: lines === 1 ? 4 : -2, anchor };
}

function arrowsOf(
  count: number,
  radius: number,
  nodeRadius: number,
  angleOf: (place: number) => number,
): string[] {
  if (count < 2) return [];
  const begin = (nodeRadius + ARROW_GAP) / radius;
  const end = (nodeRadius + ARROW_GAP + ARROW_HEAD) / radius;
  const step = (2 * Math.PI) / count;
  // Too little room between the nodes: one arrow inside the ring tells the direction.
  if (step < begin + end + 0.03) return [arc(radius - nodeRadius - 12, -Math.PI * 0.68, -Math.PI * 0.32)];
  return Array.from({ length: count }, (_, i) => arc(radius, angleOf(i) + begin, angleOf(i + 1) - end));
}

/** Clockwise from one angle to another. */
function arc(radius: number, from: number, to: number): string {
  const point = (angle: number): string =>
    `${round(Math.cos(angle) * radius)} ${round(Math.sin(angle) * radius)}`;
  return `M ${point(from)} A ${radius} ${radius} 0 ${to - from > Math.PI ? 1 : 0} 1 ${point(to)}`;
}

/** Cuts a label that would leave the drawing. */
export const fitting = (text: string, letters: number): string =>
  text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
