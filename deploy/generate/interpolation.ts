/**
 * Points between rows of noise, along great circles: a straight line would pass through rows that are shorter than any
 * that the generator was trained with (White, "Sampling Generative Networks", 2016, section 2; Shoemake, "Animating
 * rotation with quaternion curves", 1985). Rows that point the same way, or opposite ways, are joined by a line.
 * @param from [n, noiseSize]
 * @param to [n, noiseSize]
 * @param t 0 gives `from`, 1 gives `to`
 * @returns [n, noiseSize]
 */
export function between(from: Float32Array, to: Float32Array, noiseSize: number, t: number): Float32Array {
  const result = new Float32Array(from.length);
  for (let start = 0; start < from.length; start += noiseSize) {
    const a = from.subarray(start, start + noiseSize);
    const b = to.subarray(start, start + noiseSize);
    const [ofA, ofB] = shares(cosine(a, b), t);
    for (let i = 0; i < noiseSize; i++) result[start + i] = ofA * (a[i] as number) + ofB * (b[i] as number);
  }
  return result;
}

/** Below this sine the circle is not told. */
const MIN_SINE = 1e-6;

function shares(cosineOfAngle: number, t: number): readonly [number, number] {
  const angle = Math.acos(cosineOfAngle);
  const sine = Math.sin(angle);
  // Not a number where a row is all zeros.
  if (!(sine > MIN_SINE)) return [1 - t, t];
  return [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return Math.min(1, Math.max(-1, ab / Math.sqrt(aa * bb)));
}
