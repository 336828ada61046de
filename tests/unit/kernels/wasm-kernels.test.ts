import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { OperationalError, UsageError } from '../../../proto/index.js';
import {
  allocationBytes,
  loadKernels,
  MAX_MEMORY_BYTES,
  plainKernels,
  requireWasmSimd,
} from '../../../worker/kernels/index.js';

describe('requireWasmSimd', () => {
  it('accepts this Node', () => {
    expect(() => requireWasmSimd()).not.toThrow();
  });

  it.each([
    [
      'without SIMD',
      { validate: () => false },
      /^expected a Node with WebAssembly SIMD, found WebAssembly without SIMD/,
    ],
    ['without WebAssembly', null, /^expected a Node with WebAssembly SIMD, found no WebAssembly/],
  ])('refuses a Node %s in one line', (_, webAssembly, message) => {
    let thrown: unknown;
    try {
      requireWasmSimd(webAssembly);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(UsageError);
    expect((thrown as Error).message).toMatch(message);
    expect((thrown as Error).message).not.toContain('\n');
  });

  // V8 has no WebAssembly SIMD on an x86 processor before SSE4.1; --jitless takes WebAssembly away altogether.
  it.skipIf(process.arch !== 'x64').each([
    ['--no-enable-sse4-1', 'WebAssembly without SIMD'],
    ['--jitless', 'no WebAssembly'],
  ])('is what loadKernels says in a real Node with %s', async (flag, found) => {
    const source = new URL('../../../worker/kernels/index.ts', import.meta.url).href;
    const script =
      `const { loadKernels } = await import(${JSON.stringify(source)});` +
      'await loadKernels({ memoryBytes: 64 }).catch((error) => console.log(error.code, error.message));';
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [flag, '--import', 'tsx', '--input-type=module', '--eval', script],
      { timeout: 25_000 },
    );
    expect(stdout).toMatch(
      new RegExp(`^usage expected a Node with WebAssembly SIMD, found ${found} in Node [^\\n]*\\n$`),
    );
  });
});

describe.each([
  ['wasm', loadKernels],
  ['plain', (options: { readonly memoryBytes: number }) => Promise.resolve(plainKernels(options))],
])('memory of the %s kernels', (_, load) => {
  it('is given out 64-byte aligned, zeroed, up to the size asked for, and never moves', async () => {
    const memoryBytes = allocationBytes(100_000) + allocationBytes(1) + allocationBytes(70_000);
    const kernels = await load({ memoryBytes });
    const { buffer } = kernels.memory;
    const first = kernels.allocate(100_000);
    const second = kernels.allocate(1);
    const third = kernels.allocate(70_000);
    expect([first % 64, second % 64, third % 64]).toEqual([0, 0, 0]);
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThanOrEqual(first + 100_000);
    expect(third).toBeGreaterThan(second);
    expect(kernels.memory.buffer).toBe(buffer);
    expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true);
    expect(() => kernels.memory.grow(1)).toThrow(RangeError);
    expect(() => kernels.allocate(200_000)).toThrow(/broken invariant: kernel memory holds/);
  });

  it('that WebAssembly cannot address is refused in one line', async () => {
    const outcome = Promise.resolve().then(() => load({ memoryBytes: MAX_MEMORY_BYTES }));
    await expect(outcome).rejects.toThrow(OperationalError);
    await expect(outcome).rejects.toThrow(/need 4096 MiB in one WebAssembly memory/);
  });
});
