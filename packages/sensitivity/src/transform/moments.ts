import { KvtunerError } from "@kvtuner/plan";

/** Share of the mean of a metric's diagonal that is added to each entry of it. */
const RIDGE = 1e-2;

/** A token counts for at most this many others, and at least a tenth of one. */
const LARGEST_WEIGHT = 20;
const UNIFORM_SHARE = 0.1;

/** Mean and covariance of rows; `[size]` and `[size, size]`, row-major. */
export interface Moments {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/**
 * The Fisher metric of one KV head: the mean of `g g'` over tokens and draws of labels, plus a hundredth of the mean of its diagonal
 * on the diagonal, so that it has an inverse. `[size, size]`, row-major.
 *
 * @param draws by draw of labels, gradients `[tokens, size]`, row-major
 * @throws CalibrationDataError `CALIBRATION_NOT_FINITE` for gradients that are NaN or infinite, `CALIBRATION_NO_GRADIENTS` if all are 0
 */
export const fisherMetric = (draws: readonly Float32Array[], size: number): Float64Array => {
  const metric = new Float64Array(size * size);
  for (const gradients of draws) addProducts(metric, gradients, size, () => 1);
  const rows = draws.reduce((sum, { length }) => sum + length / size, 0);
  let trace = 0;
  for (let i = 0; i < size; i++) trace += metric[i * size + i]! / rows;
  assertTrace(trace);
  for (let i = 0; i < metric.length; i++) metric[i] = metric[i]! / rows;
  for (let i = 0; i < size; i++) metric[i * size + i]! += (RIDGE * trace) / size;
  return metric;
};

const assertTrace = (trace: number): void => {
  if (!Number.isFinite(trace))
    throw new CalibrationDataError(
      "CALIBRATION_NOT_FINITE",
      `expected finite gradients of keys and values, got a mean square of ${trace}; the model's weights are NaN or exceed float16`,
    );
  if (trace === 0)
    throw new CalibrationDataError(
      "CALIBRATION_NO_GRADIENTS",
      "expected gradients of keys and values, got only zeros; use samples that are longer than the tokens kept in 16 bits",
    );
};

/**
 * What each token counts for in moments: its squared gradient over the mean, up to 20, so that tokens that queries read often count
 * more. The mean weight is 1.
 *
 * @param draws by draw of labels, gradients `[tokens, size]`, row-major
 */
export const tokenWeights = (draws: readonly Float32Array[], size: number): Float64Array => {
  const weights = new Float64Array(draws[0]!.length / size);
  for (const gradients of draws)
    for (let index = 0; index < gradients.length; index++) weights[Math.floor(index / size)]! += gradients[index]! ** 2;
  const mean = meanOf(weights);
  for (let token = 0; token < weights.length; token++)
    weights[token] = Math.min(weights[token]! / mean, LARGEST_WEIGHT);
  const capped = meanOf(weights);
  return weights.map((weight) => UNIFORM_SHARE + ((1 - UNIFORM_SHARE) * weight) / capped);
};

const meanOf = (numbers: Float64Array): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** Weighted mean and covariance of rows `[tokens, size]`. */
export const weightedMoments = (rows: Float32Array, weights: Float64Array, size: number): Moments => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = new Float64Array(size);
  for (let token = 0; token < weights.length; token++)
    for (let i = 0; i < size; i++) mean[i]! += (weights[token]! * rows[token * size + i]!) / total;
  const centred = Float64Array.from(rows, (number, index) => number - mean[index % size]!);
  const covariance = new Float64Array(size * size);
  addProducts(covariance, centred, size, (token) => weights[token]! / total);
  return { mean, covariance };
};

/** Adds `weight * row row'` of every row. */
const addProducts = (
  sum: Float64Array,
  rows: Float32Array | Float64Array,
  size: number,
  weightOf: (row: number) => number,
): void => {
  for (let start = 0; start < rows.length; start += size) {
    const weight = weightOf(start / size);
    for (let i = 0; i < size; i++) {
      const factor = weight * rows[start + i]!;
      for (let j = 0; j <= i; j++) sum[i * size + j]! += factor * rows[start + j]!;
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) sum[j * size + i] = sum[i * size + j]!;
};

/** Gradients that no table can be computed from. */
export class CalibrationDataError extends KvtunerError {
  override readonly name = "CalibrationDataError";
}
