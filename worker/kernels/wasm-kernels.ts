import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { messageOf, OperationalError, UsageError } from '../../proto/index.js';
import { philoxInput, type RandomKey } from '../../proto/random.js';
import { KernelMemory } from './kernel-memory.js';
import type { AdamTensor, Kernels, QuantizeOutcome } from './kernels.js';
import { hex } from './plain-xxh64.js';
import { meanScaling, quantizeScaling } from './scaling.js';

/** What assembly/index.ts exports. */
interface Exports {
  quantize(floats: number, ints: number, n: number, scale: number, bound: number, overwrite: number): number;
  addInt32(destination: number, source: number, n: number): void;
  maxAbsInt32(ints: number, n: number): number;
  dequantize(ints: number, floats: number, n: number, share: number, scale: number): void;
  adam(
    parameters: number,
    m: number,
    v: number,
    ints: number,
    n: number,
    share: number,
    scale: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    stepSize: number,
    inverseSqrtCorrection2: number,
  ): number;
  average(averages: number, values: number, n: number, weight: number): void;
  fillNormal(
    floats: number,
    n: number,
    counter1: number,
    counter2: number,
    counter3: number,
    key0: number,
    key1: number,
  ): void;
  xxh64(address: number, bytes: number): bigint;
}

/** Bits of quantize's answer. */
const SATURATED = 1;
const NOT_FINITE = 2;

/** The smallest module with a SIMD instruction: one function that makes a v128 from an integer and reads a lane. */
// prettier-ignore
const SIMD_PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7f, // one type: () -> i32
  0x03, 0x02, 0x01, 0x00, // one function of it
  0x0a, 0x0b, 0x01, 0x09, 0x00, 0x41, 0x00, 0xfd, 0x11, 0xfd, 0x1b, 0x00, 0x0b, // i32x4.extract_lane 0 (i32x4.splat 0)
]);

/** @throws UsageError when this Node cannot run WebAssembly SIMD */
export function requireWasmSimd(
  webAssembly: Pick<typeof WebAssembly, 'validate'> | null = globalThis.WebAssembly ?? null,
): void {
  if (webAssembly?.validate(SIMD_PROBE) === true) return;
  throw new UsageError(
    `expected a Node with WebAssembly SIMD, found ${webAssembly === null ? 'no WebAssembly' : 'WebAssembly without SIMD'} ` +
      `in Node ${process.versions.node} on ${process.arch}: run Node 20 or newer without --jitless, on an x86-64 (SSE4.1) or arm64 processor`,
  );
}

/** Where the build puts the module: beside this file when it is built, in dist when it runs from its source. */
const MODULE_URLS = [
  new URL('./kernels.wasm', import.meta.url),
  new URL('../../dist/worker/kernels/kernels.wasm', import.meta.url),
];

async function compileModule(): Promise<WebAssembly.Module> {
  for (const url of MODULE_URLS) {
    let bytes: Buffer;
    try {
      bytes = await readFile(url);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw thrown;
    }
    try {
      return await WebAssembly.compile(bytes as BufferSource);
    } catch (cause) {
      throw new OperationalError(
        'engine-unavailable',
        `${fileURLToPath(url)} is damaged (${messageOf(cause)}): run npm run build`,
        { cause },
      );
    }
  }
  throw new OperationalError('engine-unavailable', 'kernels.wasm is not built: run npm run build');
}

/**
 * The kernels on WebAssembly SIMD, over a memory of at least `memoryBytes` that is taken once and never grows.
 * @throws UsageError on a Node without WebAssembly SIMD; OperationalError without memory or without a build
 */
export async function loadKernels({ memoryBytes }: { readonly memoryBytes: number }): Promise<Kernels> {
  requireWasmSimd();
  const module = await compileModule();
  const area = new KernelMemory(memoryBytes);
  const instance = await WebAssembly.instantiate(module, { env: { memory: area.memory } });
  const wasm = instance.exports as unknown as Exports;

  function quantize(
    floats: number,
    ints: number,
    n: number,
    exponent: number,
    limit: number,
    overwrite = false,
  ): QuantizeOutcome {
    area.checkVector(floats, n);
    area.checkVector(ints, n);
    const { scale, bound } = quantizeScaling(exponent, limit);
    const flags = wasm.quantize(floats, ints, n, scale, bound, overwrite ? 1 : 0);
    return { saturated: (flags & SATURATED) !== 0, notFinite: (flags & NOT_FINITE) !== 0 };
  }

  function addInt32(destination: number, source: number, n: number): void {
    area.checkVector(destination, n);
    area.checkVector(source, n);
    wasm.addInt32(destination, source, n);
  }

  function maxAbsInt32(ints: number, n: number): number {
    area.checkVector(ints, n);
    return wasm.maxAbsInt32(ints, n) >>> 0; // the module's unsigned answer arrives as an int32
  }

  function dequantize(ints: number, floats: number, n: number, exponent: number, shards: number): void {
    area.checkVector(ints, n);
    area.checkVector(floats, n);
    const { share, scale } = meanScaling(exponent, shards);
    wasm.dequantize(ints, floats, n, share, scale);
  }

  function adam({ parameters, m, v, ints, n, exponent, shards, step }: AdamTensor): number {
    for (const address of [parameters, m, v, ints]) area.checkVector(address, n);
    const { share, scale } = meanScaling(exponent, shards);
    const { beta1, beta2, epsilon, stepSize, inverseSqrtCorrection2 } = step;
    const largest = wasm.adam(
      parameters,
      m,
      v,
      ints,
      n,
      share,
      scale,
      beta1,
      beta2,
      epsilon,
      stepSize,
      inverseSqrtCorrection2,
    );
    return largest >>> 0;
  }

  function average(averages: number, values: number, n: number, weight: number): void {
    area.checkVector(averages, n);
    area.checkVector(values, n);
    wasm.average(averages, values, n, weight);
  }

  function fillNormal(floats: number, n: number, key: RandomKey): void {
    area.checkVector(floats, n);
    const { counter1, counter2, counter3, key0, key1 } = philoxInput(key);
    wasm.fillNormal(floats, n, counter1, counter2, counter3, key0, key1);
  }

  function xxh64(address: number, bytes: number): string {
    area.checkBytes(address, bytes);
    return hex(BigInt.asUintN(64, wasm.xxh64(address, bytes)));
  }

  return {
    memory: area.memory,
    allocate: (bytes) => area.allocate(bytes),
    quantize,
    addInt32,
    maxAbsInt32,
    dequantize,
    adam,
    average,
    fillNormal,
    xxh64,
  };
}
