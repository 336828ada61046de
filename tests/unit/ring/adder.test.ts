import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kernelAdder, plainAdder, type AddKernel } from '../../../worker/ring/adder.js';
import { PayloadFiller, SCRATCH_HEAD_BYTES } from '../../../worker/ring/payload-filler.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const operands = fc.array(fc.tuple(int32, int32), { maxLength: 300 });

/** A kernel in the memory that the vector lies in, with a loop in place of SIMD. */
class LoopKernel implements AddKernel {
  readonly memory = new WebAssembly.Memory({ initial: 20 });
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

const bytesOf = (values: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

const kernel = new LoopKernel();
const vectorAddress = kernel.allocate(900_000);
const KINDS = [
  { name: 'plain', adder: plainAdder(), vector: (n: number) => new Int32Array(n) },
  {
    name: 'kernel',
    adder: kernelAdder(kernel),
    vector: (n: number) => new Int32Array(kernel.memory.buffer, vectorAddress, n),
  },
];

describe.each(KINDS)('$name adder', ({ adder, vector }) => {
  test('adds what lies in scratch, wrapping', () => {
    fc.assert(
      fc.property(operands, fc.integer({ min: 0, max: 50 }), (pairs, start) => {
        const destination = vector(pairs.length);
        destination.set(pairs.map(([a]) => a));
        adder.scratch.set(bytesOf(pairs.map(([, b]) => b)), 4 * start);
        adder.add(destination, 4 * start);
        expect([...destination]).toEqual(pairs.map(([a, b]) => (a + b) | 0));
      }),
    );
  });

  test('a payload in pieces of any size, from anywhere, is added whole', () => {
    const piece = fc.record({
      bytes: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })),
      from: fc.constantFrom('outside', 'scratch, aligned', 'scratch, anywhere'),
      at: fc.integer({ min: 0, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), (pieces) => {
        const length = Math.ceil(pieces.reduce((sum, { bytes }) => sum + bytes, 0) / 4);
        const values = Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
        const payload = bytesOf(values);
        const into = vector(length).fill(7);
        const filler = new PayloadFiller(adder);
        filler.start({ kind: 'add', into });
        // The pieces, over and over, until all is there.
        for (let done = 0, next = 0; done < payload.length; next++) {
          const { bytes, from, at } = pieces[next % pieces.length] as (typeof pieces)[number];
          const part = payload.subarray(done, done + bytes);
          done += part.length;
          expect(filler.room()).toBeUndefined();
          adder.scratch.fill(255); // nothing in scratch outlives a read
          if (from === 'outside' || part.length > adder.scratch.length - 50) {
            filler.take(part);
            continue;
          }
          const start = from === 'scratch, aligned' ? filler.scratchStart : SCRATCH_HEAD_BYTES + at;
          adder.scratch.set(part, start);
          filler.take(adder.scratch.subarray(start, start + part.length));
          // What lies behind the piece has been read and is yet to be looked at.
          expect(adder.scratch.subarray(start + part.length).every((byte) => byte === 255)).toBe(true);
        }
        expect(filler.remaining).toBe(0);
        expect(into.every((value, i) => value === (((values[i] ?? 0) + 7) | 0))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

test('a payload that is to be copied is read to its place, taken, or both', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 400 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.boolean()), { minLength: 1 }),
      (noise, cuts) => {
        const payload = noise.subarray(0, noise.length & ~3);
        const into = new Int32Array(payload.length / 4);
        const filler = new PayloadFiller(plainAdder());
        filler.start({ kind: 'copy', into });
        for (let done = 0, next = 0; done < payload.length; next++) {
          const [bytes, direct] = cuts[next % cuts.length] as (typeof cuts)[number];
          const part = payload.subarray(done, done + bytes);
          done += part.length;
          if (direct) {
            filler.room()?.set(part);
            filler.placed(part.length);
          } else filler.take(part);
          expect(filler.remaining).toBe(payload.length - done);
        }
        expect(Buffer.from(into.buffer).equals(payload)).toBe(true);
      },
    ),
  );
});

test('a vector outside of the memory of the kernels is a mistake', () => {
  expect(() => kernelAdder(new LoopKernel()).add(new Int32Array(1), 0)).toThrow('memory of the kernels');
});
