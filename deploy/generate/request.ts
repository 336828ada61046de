import { basename, extname } from 'node:path';
import { UsageError } from '../../proto/index.js';

/** What is made: told by the name that it is to have. */
export type ProductKind = 'grid' | 'strip' | 'gif' | 'idx' | 'pictures';

export interface GenerateRequest {
  readonly out: string;
  /** Undefined: 100, of an interpolation 1. */
  readonly count: number | undefined;
  readonly seed: number;
  /** Of the images that an interpolation ends with. */
  readonly toSeed: number | undefined;
  /** Of an interpolation, both ends included. Undefined: 10, of a GIF 40. */
  readonly frames: number | undefined;
}

interface Still<Kind> {
  readonly kind: Kind;
  readonly count: number;
}

export interface Interpolation {
  readonly kind: 'strip' | 'gif';
  readonly count: number;
  readonly toSeed: number;
  readonly frames: number;
}

/** In one file. */
export type FileProduct = Still<'grid'> | Still<'idx'> | Interpolation;
export type Product = FileProduct | Still<'pictures'>;

const STILL_COUNT = 100;
const INTERPOLATION_COUNT = 1;
const STRIP_FRAMES = 10;
const GIF_FRAMES = 40;

/** Files in one folder. */
const MAX_PICTURES = 100_000;

/** What a request asks for. Throws UsageError where its parts do not fit each other. */
export function productOf({ out, count, toSeed, frames }: GenerateRequest): Product {
  const kind = kindOf(out, toSeed !== undefined);
  if (kind === 'strip' || kind === 'gif') {
    if (toSeed === undefined)
      throw new UsageError(
        `--out: a GIF (${out}) shows an interpolation: name the seed that it leads to by --to-seed`,
      );
    return {
      kind,
      toSeed,
      count: count ?? INTERPOLATION_COUNT,
      frames: frames ?? (kind === 'gif' ? GIF_FRAMES : STRIP_FRAMES),
    };
  }
  if (toSeed !== undefined)
    throw new UsageError(`--to-seed: an interpolation is made as NAME.png or NAME.gif, found --out ${out}`);
  if (frames !== undefined)
    throw new UsageError(
      '--frames: only an interpolation has them: name the seed that it leads to by --to-seed',
    );
  if (kind === 'pictures' && (count ?? 0) > MAX_PICTURES)
    throw new UsageError(
      `--count: at most ${MAX_PICTURES} pictures are written into one folder, found ${count}: NAME.idx holds more`,
    );
  return { kind, count: count ?? STILL_COUNT };
}

function kindOf(out: string, isInterpolation: boolean): ProductKind {
  if (out === '') throw new UsageError('--out: a name was expected, found none');
  if (out.endsWith('/')) return 'pictures';
  const name = basename(out).toLowerCase();
  if (/(\.idx|ubyte)(\.gz)?$/.test(name)) return 'idx';
  const ending = extname(name);
  if (ending === '.png') return isInterpolation ? 'strip' : 'grid';
  if (ending === '.gif') return 'gif';
  if (ending === '') return 'pictures';
  throw new UsageError(
    `--out: a name that tells what to make was expected, found ${out}: NAME.png for one picture, NAME.gif, NAME.idx or NAME-ubyte (with .gz compressed), or NAME/ for a folder of pictures`,
  );
}
