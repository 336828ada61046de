import { expect } from 'vitest';
import { loadKernels, plainKernels, type Kernels } from '../../../worker/kernels/index.js';

const MEMORY_BYTES = 16_384;

/**
 * Both twins over memories of the same content. After each call all bytes of both are compared, so a write outside the
 * vectors shows as well as a wrong one within.
 */
export class KernelPair {
  private constructor(
    readonly wasm: Kernels,
    readonly plain: Kernels,
  ) {}

  static async load(): Promise<KernelPair> {
    const options = { memoryBytes: MEMORY_BYTES };
    return new KernelPair(await loadKernels(options), plainKernels(options));
  }

  /** Fills both memories with a pattern that no result is made of. */
  clear(): void {
    for (const { memory } of [this.wasm, this.plain]) new Uint32Array(memory.buffer).fill(0xa5a5a5a5);
  }

  putFloats(address: number, values: ArrayLike<number>): void {
    for (const { memory } of [this.wasm, this.plain])
      new Float32Array(memory.buffer, address, values.length).set(values);
  }

  /** Sets floats by their bits, so that every NaN and denormal can be had. */
  putInts(address: number, values: ArrayLike<number>): void {
    for (const { memory } of [this.wasm, this.plain])
      new Int32Array(memory.buffer, address, values.length).set(values);
  }

  putBytes(address: number, values: Uint8Array): void {
    for (const { memory } of [this.wasm, this.plain]) new Uint8Array(memory.buffer).set(values, address);
  }

  floats(address: number, n: number): number[] {
    return [...new Float32Array(this.wasm.memory.buffer, address, n)];
  }

  ints(address: number, n: number): number[] {
    return [...new Int32Array(this.wasm.memory.buffer, address, n)];
  }

  /** Runs `call` on both, expects the same answer and the same memory, and returns the answer. */
  same<T>(call: (kernels: Kernels) => T): T {
    const answer = call(this.wasm);
    expect(call(this.plain)).toEqual(answer);
    const [ours, theirs] = [this.wasm, this.plain].map(({ memory }) => Buffer.from(memory.buffer));
    expect(Buffer.compare(ours as Buffer, theirs as Buffer), 'memories differ').toBe(0);
    return answer;
  }
}

/** Where the test vectors lie: `offset` bytes (a multiple of 4) past a 16-byte boundary. */
export const place = (slot: number, offset = 0): number => 256 + slot * 2_048 + offset;
