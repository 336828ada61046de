/** Bit pattern of infinity; those of NaN lie above, those of finite floats below. */
const INFINITY_BITS: u32 = 0x7f800000;
const MAX_FLOAT: f32 = f32.MAX_VALUE;

/** Bits of quantize's answer. */
const SATURATED: u32 = 1;
const NOT_FINITE: u32 = 2;

/** Bits of |x|. As integers they are ordered as the floats are, with NaN above infinity. */
function magnitudeLanes(x: v128): v128 {
  return v128.and(x, i32x4.splat(0x7fffffff));
}

/** Scaled, rounded to nearest even, converted; what int32 cannot hold becomes its nearest end, NaN becomes 0. */
function quantizedLanes(x: v128, scale: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, scale)));
}

export function largestLane(lanes: v128): u32 {
  const ab = max<u32>(i32x4.extract_lane(lanes, 0), i32x4.extract_lane(lanes, 1));
  const cd = max<u32>(i32x4.extract_lane(lanes, 2), i32x4.extract_lane(lanes, 3));
  return max<u32>(ab, cd);
}

/**
 * The loop only keeps the largest magnitude: scaling and rounding keep order, so the largest element alone decides
 * whether any saturates. Checking each would double the time.
 * @param scale 2^exponent, a normal float32; @param bound float32(limit + 1)
 */
// @ts-ignore: decorator
@inline
function quantizeLoop(floats: usize, ints: usize, n: u32, scale: f32, bound: f32, overwrite: bool): u32 {
  const scales = f32x4.splat(scale);
  const zero = i32x4.splat(0);
  let magnitudes = zero;
  const end4 = floats + (((<usize>n) & ~3) << 2);
  const end = floats + ((<usize>n) << 2);
  while (floats < end4) {
    const x = v128.load(floats);
    magnitudes = i32x4.max_u(magnitudes, magnitudeLanes(x));
    const sum = overwrite ? zero : v128.load(ints);
    v128.store(ints, i32x4.add(sum, quantizedLanes(x, scales)));
    floats += 16;
    ints += 16;
  }
  while (floats < end) {
    const x = v128.load32_zero(floats);
    magnitudes = i32x4.max_u(magnitudes, magnitudeLanes(x));
    const sum = overwrite ? zero : v128.load32_zero(ints);
    v128.store32_lane(ints, i32x4.add(sum, quantizedLanes(x, scales)), 0);
    floats += 4;
    ints += 4;
  }
  const largest = largestLane(magnitudes);
  if (largest >= INFINITY_BITS) return NOT_FINITE;
  // For integers, r > 2^L - 1 is r >= 2^L, and 2^L is a float32.
  return nearest<f32>(reinterpret<f32>(largest) * scale) >= bound ? SATURATED : 0;
}

/** Two loops, each with its choice compiled in: reading sums only to drop them would cost a third more. */
export function quantize(floats: usize, ints: usize, n: u32, scale: f32, bound: f32, overwrite: bool): u32 {
  return overwrite
    ? quantizeLoop(floats, ints, n, scale, bound, true)
    : quantizeLoop(floats, ints, n, scale, bound, false);
}

export function addInt32(destination: usize, source: usize, n: u32): void {
  const end4 = source + (((<usize>n) & ~3) << 2);
  const end = source + ((<usize>n) << 2);
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
  const end4 = ints + (((<usize>n) & ~3) << 2);
  const end = ints + ((<usize>n) << 2);
  while (ints < end4) {
    largest = i32x4.max_u(largest, i32x4.abs(v128.load(ints)));
    ints += 16;
  }
  while (ints < end) {
    largest = i32x4.max_u(largest, i32x4.abs(v128.load32_zero(ints)));
    ints += 4;
  }
  return largestLane(largest);
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
  const end4 = ints + (((<usize>n) & ~3) << 2);
  const end = ints + ((<usize>n) << 2);
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
