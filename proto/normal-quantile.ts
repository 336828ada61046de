/**
 * The standard normal's inverse distribution function: Wichura, "Algorithm AS 241: the percentage points of the normal
 * distribution", Applied Statistics 37, 1988, PPND16, with its published coefficients. Rational functions of x, and in
 * the tails of sqrt(-ln p) with a logarithm of our own: + - x / sqrt only, so the bits are the same in every
 * JavaScript engine. The third range of the original, p below e^-25, lies beyond what 32 bits can ask for.
 */
const CENTRE_HALF_WIDTH = 0.425;

/** For |p - 1/2| <= 0.425, in 0.425^2 - (p - 1/2)^2. */
function centre(q: number): number {
  const r = 0.180625 - q * q;
  const numerator =
    ((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r +
      45921.953931549871457) *
      r +
      13731.693765509461125) *
      r +
      1971.5909503065514427) *
      r +
      133.14166789178437745) *
      r +
    3.387132872796366608;
  const denominator =
    ((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r +
      21213.794301586595867) *
      r +
      5394.1960214247511077) *
      r +
      687.1870074920579083) *
      r +
      42.313330701600911252) *
      r +
    1;
  return (numerator / denominator) * q;
}

/** For p < 0.075, the upper tail's quantile, in sqrt(-ln p) - 1.6. */
function tail(minusLogP: number): number {
  const r = Math.sqrt(minusLogP) - 1.6;
  const numerator =
    ((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r +
      1.27045825245236838258) *
      r +
      3.64784832476320460504) *
      r +
      5.7694972214606914055) *
      r +
      4.6303378461565452959) *
      r +
    1.42343711074968357734;
  const denominator =
    ((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r +
      0.14810397642748007459) *
      r +
      0.68976733498510000455) *
      r +
      1.6763848301838038494) *
      r +
      2.05319162663775882187) *
      r +
    1;
  return numerator / denominator;
}

const LN2 = 0.6931471805599453;
const SQRT_HALF = 0.7071067811865476;
/** 2^-bits, made by halving: exact. */
const HALVES = Float64Array.from({ length: 33 });
HALVES.forEach((_, bits) => (HALVES[bits] = bits === 0 ? 1 : (HALVES[bits - 1] as number) / 2));

/** -ln(n / 2^33) of an odd uint32, to about 1e-15: n = m 2^k with m near 1, ln m = 2 atanh((m - 1) / (m + 1)). */
function minusLog(n: number): number {
  const bits = 32 - Math.clz32(n);
  let m = n * (HALVES[bits] as number); // [1/2, 1)
  let exponent = bits - 33;
  if (m < SQRT_HALF) {
    m *= 2;
    exponent -= 1;
  }
  const s = (m - 1) / (m + 1); // |s| < 0.172
  const z = s * s;
  let series = 1 / 21;
  for (let k = 19; k >= 1; k -= 2) series = series * z + 1 / k;
  return -(exponent * LN2 + 2 * s * series);
}

/** The standard normal's quantile at (word + 1/2) / 2^32, as a float64: symmetric about the middle, within +-6.4. */
export function normalFromWord(word: number): number {
  const q = (word - 2_147_483_647.5) / 4_294_967_296; // exact
  if (Math.abs(q) <= CENTRE_HALF_WIDTH) return centre(q);
  return q < 0 ? -tail(minusLog(2 * word + 1)) : tail(minusLog(2 * (4_294_967_295 - word) + 1));
}
