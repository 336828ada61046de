import { fillNormal } from '../../proto/random.js';
import { KernelMemory } from './kernel-memory.js';
import type { AdamTensor, Kernels, QuantizeOutcome } from './kernels.js';
import { meanScaling, quantizeScaling } from './scaling.js';
import { xxh64 } from './plain-xxh64.js';

const { fround } = Math;
const MAX_FLOAT = fround(3.4028234663852886e38);
/** Smallest normal float32, 2^-126. */
const TINY = fround(1.1754943508222875e-38);
/** 1.5 x 2^52: adding it to a float64 below 2^51 drops all fraction bits, to nearest even. */
const ROUNDER = 6_755_399_441_055_744;

/** Nearest integer, ties to even. */
function roundEven(x: number): number {
  return Math.abs(x) < 2 ** 31 ? x + ROUNDER - ROUNDER : x; // from 2^23 up a float32 is whole already
}

/** The int32 nearest to a whole number; 0 for NaN. */
const toInt32 = (x: number): number => (Number.isNaN(x) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, x)));

const flushed = (x: number): number => (Math.abs(x) < TINY ? 0 : x);

/** The kernels in plain TypeScript: slow, readable, and the same bits as the WebAssembly ones. */
export function plainKernels({ memoryBytes }: { readonly memoryBytes: number }): Kernels {
  const area = new KernelMemory(memoryBytes);
  const floatsAt = (address: number, n: number): Float32Array => {
    area.checkVector(address, n);
    return new Float32Array(area.memory.buffer, address, n);
  };
  const intsAt = (address: number, n: number): Int32Array => {
    area.checkVector(address, n);
    return new Int32Array(area.memory.buffer, address, n);
  };

  function quantize(
    floats: number,
    ints: number,
    n: number,
    exponent: number,
    limit: number,
    overwrite = false,
  ): QuantizeOutcome {
    const { scale, bound } = quantizeScaling(exponent, limit);
    const sums = intsAt(ints, n);
    let saturated = false;
    let notFinite = false;
    floatsAt(floats, n).forEach((x, i) => {
      const rounded = roundEven(fround(x * scale));
      if (!Number.isFinite(x)) notFinite = true;
      else if (Math.abs(rounded) >= bound) saturated = true;
      sums[i] = (overwrite ? 0 : at(sums, i)) + toInt32(rounded); // the array wraps the sum
    });
    return { saturated: saturated && !notFinite, notFinite };
  }

  function addInt32(destination: number, source: number, n: number): void {
    const sums = intsAt(destination, n);
    intsAt(source, n).forEach((x, i) => (sums[i] = at(sums, i) + x));
  }

  function maxAbsInt32(ints: number, n: number): number {
    return intsAt(ints, n).reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
  }

  function dequantize(ints: number, floats: number, n: number, exponent: number, shards: number): void {
    const out = floatsAt(floats, n);
    const { share, scale } = meanScaling(exponent, shards);
    intsAt(ints, n).forEach((sum, i) => (out[i] = mean(sum, share, scale)));
  }

  function adam({ n, exponent, shards, step, ...addresses }: AdamTensor): number {
    const parameters = floatsAt(addresses.parameters, n);
    const m = floatsAt(addresses.m, n);
    const v = floatsAt(addresses.v, n);
    const { share, scale } = meanScaling(exponent, shards);
    const { beta1, beta2, epsilon, stepSize, inverseSqrtCorrection2 } = step;
    const rest1 = fround(1 - beta1);
    const rest2 = fround(1 - beta2);
    intsAt(addresses.ints, n).forEach((sum, i) => {
      const g = mean(sum, share, scale);
      const newM = flushed(fround(fround(beta1 * at(m, i)) + fround(rest1 * g)));
      const newV = flushed(fround(fround(beta2 * at(v, i)) + fround(fround(rest2 * g) * g)));
      const divisor = fround(fround(fround(Math.sqrt(newV)) * inverseSqrtCorrection2) + epsilon);
      m[i] = newM;
      v[i] = newV;
      parameters[i] = fround(at(parameters, i) - fround(fround(stepSize * newM) / divisor));
    });
    return maxAbsInt32(addresses.ints, n);
  }

  function average(averages: number, values: number, n: number, weight: number): void {
    const old = floatsAt(averages, n);
    floatsAt(values, n).forEach((value, i) => {
      old[i] = fround(at(old, i) + fround(fround(value - at(old, i)) * fround(weight)));
    });
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
    fillNormal: (floats, n, key) => fillNormal(floatsAt(floats, n), key),
    xxh64: (address, bytes) => {
      area.checkBytes(address, bytes);
      return xxh64(new Uint8Array(area.memory.buffer, address, bytes));
    },
  };
}

function mean(sum: number, share: number, scale: number): number {
  const exact = fround(fround(fround(sum) * share) * scale);
  return Math.max(-MAX_FLOAT, Math.min(MAX_FLOAT, exact));
}

function at(vector: Float32Array | Int32Array, i: number): number {
  return vector[i] as number;
}
