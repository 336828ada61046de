import { describe, expect, it } from 'vitest';
import { productOf, type GenerateRequest } from '../../../deploy/generate/request.js';

const request = (out: string, more: Partial<GenerateRequest> = {}): GenerateRequest => ({
  ...{ out, seed: 1, count: undefined, toSeed: undefined, frames: undefined },
  ...more,
});

describe('the name of what is made', () => {
  it.each([
    ['digits.png', 'grid'],
    ['a.b/DIGITS.PNG', 'grid'],
    ['digits.idx', 'idx'],
    ['digits.idx.gz', 'idx'],
    ['digits-images-idx3-ubyte', 'idx'],
    ['digits.idx3-ubyte.gz', 'idx'],
    ['digits', 'pictures'],
    ['digits/', 'pictures'],
    ['v1.2/', 'pictures'],
    ['digits.png/', 'pictures'],
    ['a.b/digits', 'pictures'],
    ['.', 'pictures'],
  ])('%s tells its kind', (out, kind) => {
    expect(productOf(request(out))).toEqual({ kind, count: 100 });
    expect(productOf(request(out, { count: 7 }))).toEqual({ kind, count: 7 });
  });

  it.each([
    ['change.png', 'strip', 10],
    ['change.gif', 'gif', 40],
  ])('%s tells its kind with a second seed', (out, kind, frames) => {
    expect(productOf(request(out, { toSeed: 2 }))).toEqual({ kind, count: 1, toSeed: 2, frames });
    const more = { toSeed: 0, count: 5, frames: 3 };
    expect(productOf(request(out, more))).toEqual({ kind, ...more });
  });

  it.each<[string, Partial<GenerateRequest>, string]>([
    ['', {}, '--out: a name was expected'],
    ['digits.jpg', {}, '--out: a name that tells what to make was expected, found digits.jpg'],
    ['digits.gz', {}, '--out: a name that tells what to make was expected'],
    ['digits.gif', {}, '--out: a GIF (digits.gif) shows an interpolation: name the seed'],
    [
      'digits.idx',
      { toSeed: 2 },
      '--to-seed: an interpolation is made as NAME.png or NAME.gif, found --out digits.idx',
    ],
    ['digits', { toSeed: 2 }, '--to-seed: an interpolation is made as'],
    ['digits.png', { frames: 3 }, '--frames: only an interpolation has them'],
    [
      'digits',
      { count: 100_001 },
      '--count: at most 100000 pictures are written into one folder, found 100001',
    ],
  ])('%s is refused with %j', (out, more, words) => {
    expect(() => productOf(request(out, more))).toThrow(words);
  });
});
