import { describe, expect, it } from 'vitest';
import { limits, OperationalError } from '../../../proto/index.js';
import { judge } from '../../../worker/exact/index.js';
import { MIN_EXPONENT } from '../../../worker/kernels/index.js';
import { first, smallLayout } from './cluster.js';

const layout = smallLayout();
const [weight, bias] = [0, 1];
const scalars = layout.gradientTensorCount;

function vector(saturated: readonly number[], notFinite: readonly number[] = []): Int32Array {
  const ints = new Int32Array(layout.length);
  for (const tensor of saturated) ints[layout.saturatedOffset + tensor] = 3;
  for (const tensor of notFinite) ints[layout.notFiniteOffset + tensor] = 1;
  return ints;
}

describe('judge', () => {
  it('accepts when no counter has counted', () => {
    expect(judge(layout, vector([]), first(layout), 0)).toEqual({ kind: 'accept' });
    expect(judge(layout, vector([]).fill(7, 0, layout.floatLength), first(layout), limits.maxRedos)).toEqual({
      kind: 'accept',
    });
  });

  it('lowers the exponents of saturated tensors by 16, and of no other', () => {
    const ranges = first(layout).map((range, i) => ({ ...range, magnitude: i }));
    const verdict = judge(layout, vector([bias, scalars]), ranges, 0);
    expect(verdict).toEqual({
      kind: 'redo',
      ranges: ranges.map((range, i) =>
        i === bias || i === scalars ? { exponent: 14, magnitude: i } : range,
      ),
    });
    expect(ranges[bias]?.exponent).toBe(30);
  });

  it('skips on anything not finite, saturated or not, and names it', () => {
    const names = [layout.tensors[weight]?.name, layout.tensors[scalars]?.name];
    expect(judge(layout, vector([], [weight, scalars]), first(layout), 0)).toEqual({
      kind: 'skip',
      tensors: names,
    });
    expect(judge(layout, vector([bias], [weight, scalars]), first(layout), 0)).toEqual({
      kind: 'skip',
      tensors: names,
    });
    expect(judge(layout, vector([bias], [bias]), first(layout), limits.maxRedos)).toMatchObject({
      kind: 'skip',
    });
  });

  it('lowers no exponent below what the kernels take', () => {
    const ranges = first(layout).map((range) => ({ ...range, exponent: MIN_EXPONENT + 3 }));
    const verdict = judge(layout, vector([weight]), ranges, 0);
    expect(verdict).toMatchObject({ kind: 'redo' });
    expect(verdict.kind === 'redo' && verdict.ranges[weight]?.exponent).toBe(MIN_EXPONENT);
  });

  it('gives up after 20 redos, with one line that names the tensor', () => {
    let ranges: Parameters<typeof judge>[2] = first(layout);
    let redos = 0;
    const goOn = (): void => {
      for (let attempt = 0; ; attempt++) {
        const verdict = judge(layout, vector([bias]), ranges, attempt);
        if (verdict.kind !== 'redo') return;
        redos += 1;
        ranges = verdict.ranges;
      }
    };
    let thrown: unknown;
    try {
      goOn();
    } catch (error) {
      thrown = error;
    }
    expect(redos).toBe(20);
    expect(thrown).toBeInstanceOf(OperationalError);
    expect((thrown as OperationalError).code).toBe('range');
    expect((thrown as Error).message).toMatch(/discriminator\.0\.bias.*20 redos.*exponent -126/);
    expect((thrown as Error).message).not.toContain('\n');
  });

  it('refuses a vector of another layout', () => {
    expect(() => judge(layout, new Int32Array(3), first(layout), 0)).toThrow(/broken invariant/);
    expect(() => judge(layout, vector([]), [], 0)).toThrow(/broken invariant/);
  });
});
