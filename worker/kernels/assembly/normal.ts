/**
 * Standard normals by counter: Philox4x32-10 and the quantile function of proto/philox.ts and proto/normal-quantile.ts,
 * which tell the sources and the ranges; operation for operation the same, so that the bits are.
 */
const M0: u64 = 0xd2511f53;
const M1: u64 = 0xcd9e8d57;
const WEYL0: u32 = 0x9e3779b9;
const WEYL1: u32 = 0xbb67ae85;
const ROUNDS = 10;

const CENTRE_HALF_WIDTH: f64 = 0.425;
const LN2: f64 = 0.6931471805599453;
const SQRT_HALF: f64 = 0.7071067811865476;
const TWO_32: f64 = 4294967296;

function centre(q: f64): f64 {
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

function tail(minusLogP: f64): f64 {
  const r = sqrt<f64>(minusLogP) - 1.6;
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

/** -ln(n / 2^33) of an odd uint32. */
function minusLog(n: u32): f64 {
  const bits = 32 - <i32>clz<u32>(n);
  // n x 2^-bits: the power is made from its exponent's bits.
  let m = <f64>n * reinterpret<f64>(<u64>(1023 - bits) << 52);
  let exponent = <f64>(bits - 33);
  if (m < SQRT_HALF) {
    m *= 2;
    exponent -= 1;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let series: f64 = 1.0 / 21.0;
  series = series * z + 1.0 / 19.0;
  series = series * z + 1.0 / 17.0;
  series = series * z + 1.0 / 15.0;
  series = series * z + 1.0 / 13.0;
  series = series * z + 1.0 / 11.0;
  series = series * z + 1.0 / 9.0;
  series = series * z + 1.0 / 7.0;
  series = series * z + 1.0 / 5.0;
  series = series * z + 1.0 / 3.0;
  series = series * z + 1.0;
  return -(exponent * LN2 + 2 * s * series);
}

function normalFromWord(word: u32): f32 {
  const q = (<f64>word - 2147483647.5) / TWO_32;
  if (abs<f64>(q) <= CENTRE_HALF_WIDTH) return <f32>centre(q);
  return <f32>(q < 0 ? -tail(minusLog(2 * word + 1)) : tail(minusLog(2 * (0xffffffff - word) + 1)));
}

/** Overwrites n floats with the normals of one key's first words, four to a block. */
export function fillNormal(
  floats: usize,
  n: u32,
  counter1: u32,
  counter2: u32,
  counter3: u32,
  key0: u32,
  key1: u32,
): void {
  const blocks = (n + 3) >> 2;
  for (let block: u32 = 0; block < blocks; block++) {
    let a = block;
    let b = counter1;
    let c = counter2;
    let d = counter3;
    let ka = key0;
    let kb = key1;
    for (let round = 0; round < ROUNDS; round++) {
      const product0 = M0 * <u64>a;
      const product1 = M1 * <u64>c;
      a = <u32>(product1 >> 32) ^ b ^ ka;
      b = <u32>product1;
      c = <u32>(product0 >> 32) ^ d ^ kb;
      d = <u32>product0;
      ka += WEYL0;
      kb += WEYL1;
    }
    const done = block << 2;
    const address = floats + (<usize>done << 2);
    store<f32>(address, normalFromWord(a));
    if (done + 1 < n) store<f32>(address, normalFromWord(b), 4);
    if (done + 2 < n) store<f32>(address, normalFromWord(c), 8);
    if (done + 3 < n) store<f32>(address, normalFromWord(d), 12);
  }
}
