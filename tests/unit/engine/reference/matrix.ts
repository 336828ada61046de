/** Row-major float64 matrices: just what the reference needs, written to be read. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;
}

export function matrix(rows: number, columns: number, values?: ArrayLike<number>): Matrix {
  const filled = values === undefined ? new Float64Array(rows * columns) : Float64Array.from(values);
  if (filled.length !== rows * columns) throw new Error(`${filled.length} values for ${rows} x ${columns}`);
  return { rows, columns, values: filled };
}

export const at = ({ columns, values }: Matrix, row: number, column: number): number =>
  values[row * columns + column]!;

/** Each element from its value, row and column. */
export function map(a: Matrix, f: (value: number, row: number, column: number) => number): Matrix {
  const result = matrix(a.rows, a.columns);
  for (let row = 0, i = 0; row < a.rows; row++) {
    for (let column = 0; column < a.columns; column++, i++) {
      result.values[i] = f(a.values[i]!, row, column);
    }
  }
  return result;
}

/** a b */
export function multiply(a: Matrix, b: Matrix): Matrix {
  const result = matrix(a.rows, b.columns);
  const { values: out } = result;
  for (let row = 0; row < a.rows; row++) {
    const outStart = row * b.columns;
    for (let k = 0; k < a.columns; k++) {
      const factor = a.values[row * a.columns + k]!;
      const start = k * b.columns;
      for (let column = 0; column < b.columns; column++) {
        out[outStart + column]! += factor * b.values[start + column]!;
      }
    }
  }
  return result;
}

export function transpose(a: Matrix): Matrix {
  const result = matrix(a.columns, a.rows);
  for (let row = 0; row < a.rows; row++) {
    for (let column = 0; column < a.columns; column++) {
      result.values[column * a.rows + row] = at(a, row, column);
    }
  }
  return result;
}

/** Sum of each column. */
export function columnSums(a: Matrix): Float64Array {
  const sums = new Float64Array(a.columns);
  for (let row = 0, i = 0; row < a.rows; row++) {
    for (let column = 0; column < a.columns; column++, i++) sums[column]! += a.values[i]!;
  }
  return sums;
}

/** The rows of `a` above those of `b`. */
export function stack(a: Matrix, b: Matrix): Matrix {
  return matrix(a.rows + b.rows, a.columns, [...a.values, ...b.values]);
}
