import { largestLane, meanLanes } from './sums';

/** Smallest normal float32, 2^-126. */
const TINY: f32 = f32.MIN_NORMAL_VALUE;

/** 2^96: 2^31 times it is finite. */
const LARGEST_PLAIN_SCALE: f32 = 7.922816251426434e28;

/** 0 in place of denormals; NaN stays. */
function flushed(x: v128): v128 {
  return v128.andnot(x, f32x4.lt(f32x4.abs(x), f32x4.splat(TINY)));
}

function firstMoment(m: v128, g: v128, beta1: v128, rest1: v128): v128 {
  return flushed(f32x4.add(f32x4.mul(beta1, m), f32x4.mul(rest1, g)));
}

function secondMoment(v: v128, g: v128, beta2: v128, rest2: v128): v128 {
  return flushed(f32x4.add(f32x4.mul(beta2, v), f32x4.mul(f32x4.mul(rest2, g), g)));
}

function moved(p: v128, m: v128, v: v128, stepSize: v128, correction: v128, epsilon: v128): v128 {
  const divisor = f32x4.add(f32x4.mul(f32x4.sqrt(v), correction), epsilon);
  return f32x4.sub(p, f32x4.div(f32x4.mul(stepSize, m), divisor));
}

/**
 * The gradient's lanes: the mean of the shards, see meanLanes. `plain` where neither the clamp nor the second
 * multiplication can matter: g is then the same to the last bit.
 */
// @ts-ignore: decorator
@inline
function gradientLanes(sums: v128, plain: bool, factors: v128, shares: v128, scales: v128): v128 {
  return plain ? f32x4.mul(f32x4.convert_i32x4_s(sums), factors) : meanLanes(sums, shares, scales);
}

// @ts-ignore: decorator
@inline
function adamLoop(
  plain: bool,
  parameters: usize,
  m: usize,
  v: usize,
  ints: usize,
  n: u32,
  share: f32,
  scale: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  stepSize: f32,
  correction: f32,
): u32 {
  const factors = f32x4.splat(share * scale);
  const shares = f32x4.splat(share);
  const scales = f32x4.splat(scale);
  const betas1 = f32x4.splat(beta1);
  const betas2 = f32x4.splat(beta2);
  const rests1 = f32x4.splat(1 - beta1);
  const rests2 = f32x4.splat(1 - beta2);
  const epsilons = f32x4.splat(epsilon);
  const stepSizes = f32x4.splat(stepSize);
  const corrections = f32x4.splat(correction);
  let largest = i32x4.splat(0);
  const end4 = ints + (((<usize>n) & ~3) << 2);
  const end = ints + ((<usize>n) << 2);
  while (ints < end4) {
    const sums = v128.load(ints);
    largest = i32x4.max_u(largest, i32x4.abs(sums));
    const g = gradientLanes(sums, plain, factors, shares, scales);
    const newM = firstMoment(v128.load(m), g, betas1, rests1);
    const newV = secondMoment(v128.load(v), g, betas2, rests2);
    v128.store(m, newM);
    v128.store(v, newV);
    const p = moved(v128.load(parameters), newM, newV, stepSizes, corrections, epsilons);
    v128.store(parameters, p);
    ints += 16;
    m += 16;
    v += 16;
    parameters += 16;
  }
  while (ints < end) {
    const sums = v128.load32_zero(ints);
    largest = i32x4.max_u(largest, i32x4.abs(sums));
    const g = gradientLanes(sums, plain, factors, shares, scales);
    const newM = firstMoment(v128.load32_zero(m), g, betas1, rests1);
    const newV = secondMoment(v128.load32_zero(v), g, betas2, rests2);
    v128.store32_lane(m, newM, 0);
    v128.store32_lane(v, newV, 0);
    const p = moved(v128.load32_zero(parameters), newM, newV, stepSizes, corrections, epsilons);
    v128.store32_lane(parameters, p, 0);
    ints += 4;
    m += 4;
    v += 4;
    parameters += 4;
  }
  return largestLane(largest);
}

/**
 * Returns the largest |sum|, as maxAbsInt32 does: the sums are at hand, a pass of their own would read them again.
 *
 * The mean (sum x share) x scale is one multiplication where that changes no bit: scale is a power of two, so share x
 * scale is exact as long as it is normal, and then no mean is denormal either, for every sum but 0 is at least 1. With
 * scale up to 2^96 no mean leaves the finite floats, which saves the clamp.
 */
export function adam(
  parameters: usize,
  m: usize,
  v: usize,
  ints: usize,
  n: u32,
  share: f32,
  scale: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  stepSize: f32,
  correction: f32,
): u32 {
  const plain = share * scale >= TINY && scale <= LARGEST_PLAIN_SCALE;
  return plain
    ? adamLoop(true, parameters, m, v, ints, n, share, scale, beta1, beta2, epsilon, stepSize, correction)
    : adamLoop(false, parameters, m, v, ints, n, share, scale, beta1, beta2, epsilon, stepSize, correction);
}
