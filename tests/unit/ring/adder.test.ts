import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kernelAdder, plainAdder, type AddKernel } from '../../../worker/ring/adder.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const operands = fc.array(fc.tuple(int32, int32), { maxLength: 300 });

/** A kernel in the memory that the vector lies in, with a loop in place of SIMD. */
class LoopKernel implements AddKernel {
  readonly memory = new WebAssembly.Memory({ initial: 4 });
  private next = 64;

  allocate(bytes: number): number {
    const address = this.next;
    this.next += Math.ceil(bytes / 64) * 64;
    return address;
  }

  addInt32(destination: number, source: number, n: number): void {
    const into = new Int32Array(this.memory.buffer, destination, n);
    const from = new Int32Array(this.memory.buffer, source, n);
    for (let i = 0; i < n; i++) into[i] = (into[i] ?? 0) + (from[i] ?? 0);
  }
}

function skewed(values: readonly number[], skew: number): Uint8Array {
  const bytes = new Uint8Array(values.length * 4 + skew).subarray(skew);
  bytes.set(new Uint8Array(Int32Array.from(values).buffer));
  return bytes;
}

describe('adders', () => {
  const kernel = new LoopKernel();
  const vectorAddress = kernel.allocate(100_000);
  const cases = [
    { name: 'plain', adder: plainAdder(), vector: (n: number) => new Int32Array(n) },
    {
      name: 'kernel',
      adder: kernelAdder(kernel),
      vector: (n: number) => new Int32Array(kernel.memory.buffer, vectorAddress, n),
    },
  ];
  for (const { name, adder, vector } of cases) {
    test(`${name}: adds at any alignment, wrapping`, () => {
      fc.assert(
        fc.property(operands, fc.integer({ min: 0, max: 3 }), (pairs, skew) => {
          const destination = vector(pairs.length);
          destination.set(pairs.map(([a]) => a));
          adder.add(
            destination,
            skewed(
              pairs.map(([, b]) => b),
              skew,
            ),
          );
          expect([...destination]).toEqual(pairs.map(([a, b]) => (a + b) | 0));
        }),
      );
    });

    test(`${name}: adds more than fits a scratch area`, () => {
      const values = Array.from({ length: 20_001 }, (_, i) => i - 7);
      const destination = vector(values.length).fill(3);
      adder.add(destination, skewed(values, 1));
      expect([...destination]).toEqual(values.map((value) => value + 3));
    });
  }

  test('a kernel adder goes on when the memory has grown', () => {
    const growing = new LoopKernel();
    const adder = kernelAdder(growing);
    growing.memory.grow(1);
    const destination = new Int32Array(growing.memory.buffer, growing.allocate(8), 2).fill(1);
    adder.add(destination, skewed([2, 3], 0));
    expect([...destination]).toEqual([3, 4]);
  });
});
