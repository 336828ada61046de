/** Bit pattern of infinity: all-one exponent, which NaN shares. */
const NOT_FINITE: i32 = 0x7f800000;
const MAX_FLOAT: f32 = f32.MAX_VALUE;

export const SATURATED: u32 = 1;
export const NOT_FINITE_SEEN: u32 = 2;

/** All ones in the lanes that hold NaN or an infinity. */
function notFiniteLanes(x: v128): v128 {
  return i32x4.ge_s(v128.and(x, i32x4.splat(0x7fffffff)), i32x4.splat(NOT_FINITE));
}

/** Scaled and rounded to the nearest integer, ties to even; still a float. Overflow gives an infinity. */
function scaledLanes(x: v128, notFinite: v128, scale: v128): v128 {
  return f32x4.nearest(f32x4.mul(v128.andnot(x, notFinite), scale));
}

/** Lanes beyond the limit: for integers, |r| > 2^L - 1 is |r| >= 2^L, and 2^L is a float32. */
function saturatedLanes(rounded: v128, bound: v128): v128 {
  return f32x4.ge(f32x4.abs(rounded), bound);
}

function clampedLanes(rounded: v128, limit: v128): v128 {
  const ints = i32x4.trunc_sat_f32x4_s(rounded);
  return i32x4.max_s(i32x4.min_s(ints, limit), i32x4.neg(limit));
}

/** @param scale 2^exponent, a normal float32; @param bound float32(limit + 1) */
export function quantize(floats: usize, ints: usize, n: u32, scale: f32, bound: f32, limit: i32): u32 {
  const scales = f32x4.splat(scale);
  const bounds = f32x4.splat(bound);
  const limits = i32x4.splat(limit);
  let notFinite = i32x4.splat(0);
  let saturated = i32x4.splat(0);
  const end4 = floats + ((<usize>n & ~3) << 2);
  const end = floats + (<usize>n << 2);
  while (floats < end4) {
    const x = v128.load(floats);
    const bad = notFiniteLanes(x);
    const rounded = scaledLanes(x, bad, scales);
    notFinite = v128.or(notFinite, bad);
    saturated = v128.or(saturated, saturatedLanes(rounded, bounds));
    v128.store(ints, i32x4.add(v128.load(ints), clampedLanes(rounded, limits)));
    floats += 16;
    ints += 16;
  }
  while (floats < end) {
    const x = v128.load32_zero(floats);
    const bad = notFiniteLanes(x);
    const rounded = scaledLanes(x, bad, scales);
    notFinite = v128.or(notFinite, bad);
    saturated = v128.or(saturated, saturatedLanes(rounded, bounds));
    const sum = i32x4.add(v128.load32_zero(ints), clampedLanes(rounded, limits));
    v128.store32_lane(ints, sum, 0);
    floats += 4;
    ints += 4;
  }
  return (
    (v128.any_true(saturated) ? SATURATED : 0) | (v128.any_true(notFinite) ? NOT_FINITE_SEEN : 0)
  );
}

export function addInt32(destination: usize, source: usize, n: u32): void {
  const end4 = source + ((<usize>n & ~3) << 2);
  const end = source + (<usize>n << 2);
  while (source < end4) {
    v128.store(destination, i32x4.add(v128.load(destination), v128.load(source)));
    source += 16;
    destination += 16;
  }
  while (source < end) {
    store<i32>(destination, load<i32>(destination) + load<i32>(source));
    source += 4;
    destination += 4;
  }
}

/** As an unsigned number: |-2^31| is 2^31. */
export function maxAbsInt32(ints: usize, n: u32): u32 {
  let largest = i32x4.splat(0);
  const end4 = ints + ((<usize>n & ~3) << 2);
  const end = ints + (<usize>n << 2);
  while (ints < end4) {
    largest = i32x4.max_u(largest, i32x4.abs(v128.load(ints)));
    ints += 16;
  }
  while (ints < end) {
    largest = i32x4.max_u(largest, i32x4.abs(v128.load32_zero(ints)));
    ints += 4;
  }
  const ab = max<u32>(i32x4.extract_lane(largest, 0), i32x4.extract_lane(largest, 1));
  const cd = max<u32>(i32x4.extract_lane(largest, 2), i32x4.extract_lane(largest, 3));
  return max<u32>(ab, cd);
}

/**
 * Mean of the shards from their integer sum. Clamped to the finite floats: a mean within half a quantum of the largest
 * float could round up to infinity, and one infinity would end as NaN in a parameter.
 */
export function meanLanes(sums: v128, share: v128, scale: v128): v128 {
  const mean = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(sums), share), scale);
  return f32x4.pmax(f32x4.pmin(mean, f32x4.splat(MAX_FLOAT)), f32x4.splat(-MAX_FLOAT));
}

/** @param share float32(1 / shards); @param scale 2^-exponent, a normal float32 */
export function dequantize(ints: usize, floats: usize, n: u32, share: f32, scale: f32): void {
  const shares = f32x4.splat(share);
  const scales = f32x4.splat(scale);
  const end4 = ints + ((<usize>n & ~3) << 2);
  const end = ints + (<usize>n << 2);
  while (ints < end4) {
    v128.store(floats, meanLanes(v128.load(ints), shares, scales));
    ints += 16;
    floats += 16;
  }
  while (ints < end) {
    v128.store32_lane(floats, meanLanes(v128.load32_zero(ints), shares, scales), 0);
    ints += 4;
    floats += 4;
  }
}
