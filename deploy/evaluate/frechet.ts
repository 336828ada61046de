import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** Mean and covariance of n points. */
export interface Moments {
  readonly mean: Float64Array; // [d]
  /** Unbiased: divided by n - 1. */
  readonly covariance: Float64Array; // [d, d]
}

/** @param points [n, d], n >= 2 */
export function momentsOf(points: Float32Array, dimensions: number): Moments {
  const count = points.length / dimensions;
  const mean = new Float64Array(dimensions);
  for (let i = 0; i < points.length; i++)
    mean[i % dimensions] = (mean[i % dimensions] as number) + (points[i] as number) / count;
  const covariance = new Float64Array(dimensions * dimensions);
  const centred = new Float64Array(dimensions);
  for (let point = 0; point < count; point++) {
    for (let i = 0; i < dimensions; i++)
      centred[i] = (points[point * dimensions + i] as number) - (mean[i] as number);
    for (let i = 0; i < dimensions; i++) {
      const factor = centred[i] as number;
      if (factor === 0) continue;
      const row = i * dimensions;
      for (let j = i; j < dimensions; j++)
        covariance[row + j] = (covariance[row + j] as number) + factor * (centred[j] as number);
    }
  }
  for (let i = 0; i < dimensions; i++)
    for (let j = i; j < dimensions; j++) {
      const value = (covariance[i * dimensions + j] as number) / (count - 1);
      covariance[i * dimensions + j] = value;
      covariance[j * dimensions + i] = value;
    }
  return { mean, covariance };
}

/**
 * Squared Frechet distance between two Gaussians: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2) (Dowson and
 * Landau 1982). In the features of a classifier it is the FID of Heusel et al. 2017. With C1 = V D V', the trace of the
 * root is the sum of the roots of the eigenvalues of D^1/2 V' C2 V D^1/2, a symmetric matrix.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const dimensions = a.mean.length;
  const matrix = (values: Float64Array): Matrix => Matrix.from1DArray(dimensions, dimensions, values);
  const first = new EigenvalueDecomposition(matrix(a.covariance), { assumeSymmetric: true });
  const roots = first.realEigenvalues.map(rootOf);
  const vectors = first.eigenvectorMatrix;
  const inner = vectors.transpose().mmul(matrix(b.covariance)).mmul(vectors);
  // Symmetric but for rounding, which the decomposition must not see.
  const product = Matrix.zeros(dimensions, dimensions);
  for (let i = 0; i < dimensions; i++)
    for (let j = 0; j <= i; j++) {
      const value = ((inner.get(i, j) + inner.get(j, i)) / 2) * (roots[i] as number) * (roots[j] as number);
      product.set(i, j, value);
      product.set(j, i, value);
    }
  const second = new EigenvalueDecomposition(product, { assumeSymmetric: true });
  const traceOfRoot = second.realEigenvalues.map(rootOf).reduce((sum, root) => sum + root, 0);
  let distance = -2 * traceOfRoot;
  for (let i = 0; i < dimensions; i++) {
    const diagonal = i * dimensions + i;
    distance += ((a.mean[i] as number) - (b.mean[i] as number)) ** 2;
    distance += (a.covariance[diagonal] as number) + (b.covariance[diagonal] as number);
  }
  // Zero for equal moments, but for rounding.
  return Math.max(0, distance);
}

/** Eigenvalues of a covariance are not negative, but for rounding. */
const rootOf = (eigenvalue: number): number => Math.sqrt(Math.max(0, eigenvalue));
