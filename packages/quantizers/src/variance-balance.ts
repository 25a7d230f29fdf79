/** A tile of numbers, row-major `[rows, columns]`. */
export interface Tile {
  readonly numbers: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** What rows and columns are divided by. */
export interface Balance {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
}

const ITERATIONS = 16;
const SMALLEST_DEVIATION = 1e-3;
const LARGEST_DEVIATION = 1e3;
/** Bounds of the scales, exp(-0.3) and exp(10). */
const SMALLEST_SCALE = 0.740_818_220_681_717_9;
const LARGEST_SCALE = 22_026.465_794_806_718;

/**
 * Scales that equalise the standard deviations of rows and of columns (KVarN, arXiv 2606.03458). Sixteen times, columns and then
 * rows are divided by their deviation; of all states, with the tile as it was, the one is kept whose largest deviation is the
 * smallest multiple of its smallest, columns and rows added. The paper adds logarithms where this multiplies.
 */
export const balancedVariance = (tile: Tile): Balance => {
  const scales: Balance = {
    rows: new Float64Array(tile.rows).fill(1),
    columns: new Float64Array(tile.columns).fill(1),
  };
  let best = copyOf(scales);
  let lowest = imbalanceOf(tile, scales);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    multiply(scales.columns, deviations(tile, scales).columns);
    multiply(scales.rows, deviations(tile, scales).rows);
    const imbalance = imbalanceOf(tile, scales);
    if (imbalance > lowest) continue;
    lowest = imbalance;
    best = copyOf(scales);
  }
  return best;
};

const copyOf = ({ rows, columns }: Balance): Balance => ({ rows: rows.slice(), columns: columns.slice() });

const multiply = (scales: Float64Array, deviation: Float64Array): void => {
  for (const [index, own] of deviation.entries()) {
    const step = Math.min(LARGEST_DEVIATION, Math.max(SMALLEST_DEVIATION, own));
    scales[index] = Math.min(LARGEST_SCALE, Math.max(SMALLEST_SCALE, scales[index]! * step));
  }
};

const imbalanceOf = (tile: Tile, scales: Balance): number => {
  const { rows, columns } = deviations(tile, scales);
  return [rows, columns].reduce((sum, own) => sum + Math.max(...own) / Math.max(1e-8, Math.min(...own)), 0);
};

/** Sample standard deviations of the rows and columns of the divided tile. */
const deviations = ({ numbers, rows, columns }: Tile, scales: Balance): Balance => {
  const [ofRows, ofColumns] = [moments(rows), moments(columns)];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const x = numbers[row * columns + column]! / (scales.columns[column]! * scales.rows[row]!);
      addTo(ofRows, row, x);
      addTo(ofColumns, column, x);
    }
  return { rows: deviation(ofRows, columns), columns: deviation(ofColumns, rows) };
};

/** Sums, and sums of squares. */
interface Moments {
  readonly sums: Float64Array;
  readonly squares: Float64Array;
}

const moments = (count: number): Moments => ({ sums: new Float64Array(count), squares: new Float64Array(count) });

const addTo = ({ sums, squares }: Moments, index: number, x: number): void => {
  sums[index] = sums[index]! + x;
  squares[index] = squares[index]! + x * x;
};

/** One number deviates from nothing. */
const deviation = ({ sums, squares }: Moments, count: number): Float64Array =>
  sums.map((sum, index) => Math.sqrt(Math.max(0, squares[index]! - sum ** 2 / count) / Math.max(1, count - 1)));
