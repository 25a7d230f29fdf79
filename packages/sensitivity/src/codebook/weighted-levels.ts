import { CalibrationDataError } from "../transform/moments.ts";

/** Numbers from -1 to 1 in bins of equal width: sums of `weight`, `weight * x` and `weight * x^2`. */
export interface LevelHistogram {
  readonly weights: Float64Array;
  readonly sums: Float64Array;
  readonly squares: Float64Array;
}

/** Much finer than any level: half a bin is 1/8 of the distance between 1024 levels. */
const BINS = 4096;

/** A histogram without numbers. */
export const levelHistogram = (): LevelHistogram => ({
  weights: new Float64Array(BINS),
  sums: new Float64Array(BINS),
  squares: new Float64Array(BINS),
});

/** Counts a number in its bin. Numbers below -1 or above 1 count at the end. */
export const addWeighted = ({ weights, sums, squares }: LevelHistogram, number: number, weight: number): void => {
  const x = Math.max(-1, Math.min(1, number));
  const bin = Math.min(BINS - 1, Math.floor(((x + 1) / 2) * BINS));
  weights[bin]! += weight;
  sums[bin]! += weight * x;
  squares[bin]! += weight * x * x;
};

/**
 * The levels of the least weighted squared error, ascending: k-means in one dimension, solved exactly over the bins by
 * dynamic programming. KVQuant finds them by Lloyd's algorithm, which may stop earlier. Repeats levels if there are
 * fewer different numbers.
 *
 * @throws CalibrationDataError `CALIBRATION_NOT_FINITE` for weights or numbers that are NaN or infinite,
 *   `CALIBRATION_NO_GRADIENTS` if all weights are 0
 */
export const weightedLevels = (histogram: LevelHistogram, count: number): Float32Array => {
  const bins = [...histogram.weights.keys()].filter((bin) => histogram.weights[bin]! > 0);
  assertWeights(histogram, bins.length);
  const clusters = Math.min(count, bins.length);
  const costs = clusterCosts(histogram, bins);
  const starts = clusterStarts(bins.length, clusters, costs.error);
  const levels = Array.from({ length: clusters }, (_, cluster) => costs.mean(starts[cluster]!, starts[cluster + 1]!));
  return Float32Array.from({ length: count }, (_, level) => levels[Math.min(level, clusters - 1)]!);
};

const assertWeights = ({ weights }: LevelHistogram, used: number): void => {
  if (!weights.every(Number.isFinite))
    throw new CalibrationDataError(
      "CALIBRATION_NOT_FINITE",
      "expected finite keys, values and gradients, got others; the model's weights are NaN or exceed float16",
    );
  if (used === 0)
    throw new CalibrationDataError(
      "CALIBRATION_NO_GRADIENTS",
      "expected gradients of keys and values, got only zeros; use samples that are longer than the tokens kept in 16 bits",
    );
};

/** Mean, and weighted squared error, of the bins from `start` to before `end`. */
interface ClusterCosts {
  mean(start: number, end: number): number;
  error(start: number, end: number): number;
}

const clusterCosts = ({ weights, sums, squares }: LevelHistogram, bins: readonly number[]): ClusterCosts => {
  const before = (source: Float64Array): Float64Array => {
    const total = new Float64Array(bins.length + 1);
    for (const [index, bin] of bins.entries()) total[index + 1] = total[index]! + source[bin]!;
    return total;
  };
  const [weight, sum, square] = [before(weights), before(sums), before(squares)];
  const mean = (start: number, end: number): number => (sum[end]! - sum[start]!) / (weight[end]! - weight[start]!);
  return {
    mean,
    error: (start, end) => square[end]! - square[start]! - mean(start, end) * (sum[end]! - sum[start]!),
  };
};

/**
 * Where each cluster starts, and the end of the last. The best start of the last cluster never falls as bins are added, so
 * each cluster takes `n log n` steps by divide and conquer.
 */
const clusterStarts = (bins: number, clusters: number, error: ClusterCosts["error"]): number[] => {
  let least = Float64Array.from({ length: bins + 1 }, (_, end) => (end === 0 ? 0 : error(0, end)));
  const bestStarts: Int32Array[] = [new Int32Array(bins + 1)];
  for (let cluster = 1; cluster < clusters; cluster++) {
    const [next, starts] = [new Float64Array(bins + 1).fill(Infinity), new Int32Array(bins + 1)];
    const solve = (low: number, high: number, first: number, last: number): void => {
      if (low > high) return;
      const end = (low + high) >> 1;
      for (let start = first; start <= Math.min(last, end - 1); start++) {
        const total = least[start]! + error(start, end);
        if (total < next[end]!) [next[end], starts[end]] = [total, start];
      }
      solve(low, end - 1, first, starts[end]!);
      solve(end + 1, high, starts[end]!, last);
    };
    solve(cluster + 1, bins, cluster, bins - 1);
    least = next;
    bestStarts.push(starts);
  }
  const found = [bins];
  for (const starts of bestStarts.toReversed()) found.unshift(starts[found[0]!]!);
  return found;
};
