// @ts-ignore: decorator
@inline
function nearer(average: v128, value: v128, weights: v128): v128 {
  return f32x4.add(average, f32x4.mul(f32x4.sub(value, average), weights));
}

export function average(averages: usize, values: usize, n: u32, weight: f32): void {
  const weights = f32x4.splat(weight);
  const end4 = averages + (((<usize>n) & ~3) << 2);
  const end = averages + ((<usize>n) << 2);
  while (averages < end4) {
    v128.store(averages, nearer(v128.load(averages), v128.load(values), weights));
    averages += 16;
    values += 16;
  }
  while (averages < end) {
    const lane = nearer(v128.load32_zero(averages), v128.load32_zero(values), weights);
    v128.store32_lane(averages, lane, 0);
    averages += 4;
    values += 4;
  }
}
