import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import type { HistoryRow } from '../history.js';
import { lossesSvg } from './losses-svg.js';

const packages = createRequire(import.meta.url);
/** They come with the program: with the machine's own fonts, a run would look different elsewhere. */
const FONT_FILES = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'];

/**
 * The plot of `lossesSvg` as a PNG. The same rows give the same bytes.
 * @param rows ascending by step
 */
export function lossesPng(rows: readonly HistoryRow[], stepsPerPass: number): Uint8Array {
  const fontFiles = FONT_FILES.map((name) => packages.resolve(`dejavu-fonts-ttf/ttf/${name}`));
  const picture = new Resvg(lossesSvg(rows, stepsPerPass), {
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: 'DejaVu Sans' },
  });
  return picture.render().asPng();
}
