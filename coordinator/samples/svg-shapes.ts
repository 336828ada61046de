/** Pieces of SVG. Texts and colours are the program's own, so nothing is escaped. */

export const INK = '#1f2328';
export const FAINT_INK = '#59636e';

export interface TextStyle {
  /** Pixels. */
  readonly size: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly color?: string;
  readonly isBold?: boolean;
  readonly isUpright?: boolean;
}

/** Two digits are enough for what is shown in pixels, and keep the text small. */
const pixels = (value: number): string => String(Math.round(value * 100) / 100);

export function textAt(x: number, y: number, content: string, style: TextStyle): string {
  const { size, anchor = 'start', color = INK, isBold = false, isUpright = false } = style;
  const weight = isBold ? ' font-weight="bold"' : '';
  const turn = isUpright ? ` transform="rotate(-90 ${pixels(x)} ${pixels(y)})"` : '';
  return `<text x="${pixels(x)}" y="${pixels(y)}" font-size="${size}" text-anchor="${anchor}" fill="${color}"${weight}${turn}>${content}</text>`;
}

export interface LineStyle {
  readonly color: string;
  readonly width?: number;
  /** As in stroke-dasharray. */
  readonly dashes?: string;
}

export function lineBetween(from: [number, number], to: [number, number], style: LineStyle): string {
  const { color, width = 1, dashes } = style;
  const dashed = dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`;
  const ends = `x1="${pixels(from[0])}" y1="${pixels(from[1])}" x2="${pixels(to[0])}" y2="${pixels(to[1])}"`;
  return `<line ${ends} stroke="${color}" stroke-width="${width}"${dashed}/>`;
}

export function dotAt(x: number, y: number, radius: number, color: string): string {
  return `<circle cx="${pixels(x)}" cy="${pixels(y)}" r="${radius}" fill="${color}"/>`;
}
