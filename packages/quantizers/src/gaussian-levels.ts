import { roundToFloat16 } from "./float16.ts";

/**
 * The `2^bits` Lloyd-Max levels of N(0, 1), ascending (Max 1960): each is the mean of the numbers nearest to it. Rounded to
 * float16, so that engines whose `exp` differs in the last bit agree; that adds less than 1% to the error at 8 bits.
 *
 * @param bits 1 to 8
 */
export const gaussianLevels = (bits: number): Float32Array =>
  (known[bits] ??= Float32Array.from(mirrored(positiveLevels(2 ** (bits - 1))), roundToFloat16));

const known: Float32Array[] = [];

const mirrored = (positive: Float64Array): Float64Array =>
  Float64Array.from([...positive.map((level) => -level).toReversed(), ...positive]);

/** Enough for 8 bits, whose first guess is within 2%; fewer bits need fewer. */
const NEWTON_STEPS = 12;

/** The positive half, by Newton's method on `level - mean of its cell = 0`. */
const positiveLevels = (count: number): Float64Array => {
  const levels = firstGuess(count);
  for (let step = 0; step < NEWTON_STEPS; step++) newtonStep(levels);
  return levels;
};

/** Many levels are as dense as the cube root of the density (Panter and Dite 1951), which is that of N(0, 3). */
const firstGuess = (count: number): Float64Array =>
  Float64Array.from({ length: count }, (_, index) => Math.sqrt(3) * normalQuantile(0.5 + (index + 0.5) / (2 * count)));

/** The derivative is tridiagonal, as a cell ends half-way to the next levels: Thomas's algorithm. */
const newtonStep = (levels: Float64Array): void => {
  const count = levels.length;
  const [upper, change] = [new Float64Array(count), new Float64Array(count)];
  for (let index = 0; index < count; index++) {
    const low = index === 0 ? 0 : (levels[index - 1]! + levels[index]!) / 2;
    const high = index === count - 1 ? Infinity : (levels[index]! + levels[index + 1]!) / 2;
    const share = normalTail(low) - normalTail(high);
    const mean = (density(low) - density(high)) / share;
    const fromLow = index === 0 ? 0 : (0.5 * density(low) * (mean - low)) / share;
    const fromHigh = high === Infinity ? 0 : (0.5 * density(high) * (high - mean)) / share;
    const previous = index === 0 ? 0 : upper[index - 1]!;
    const pivot = 1 - fromLow - fromHigh + fromLow * previous;
    upper[index] = -fromHigh / pivot;
    change[index] = (mean - levels[index]! + fromLow * (index === 0 ? 0 : change[index - 1]!)) / pivot;
  }
  for (let index = count - 2; index >= 0; index--) change[index]! -= upper[index]! * change[index + 1]!;
  for (let index = 0; index < count; index++) levels[index]! += change[index]!;
};

const density = (x: number): number => (x === Infinity ? 0 : Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI));

/** Share of N(0, 1) above `x`, from 0, by the series `1/2 - density(x) (x + x^3/3 + x^5/15 + ...)`. */
const normalTail = (x: number): number => {
  if (x === Infinity) return 0;
  let term = x;
  let sum = x;
  for (let odd = 3; term > sum * 2 ** -54; odd += 2) sum += term *= (x * x) / odd;
  return 0.5 - density(x) * sum;
};

/** The number that a share of N(0, 1), from 1/2, is below. */
const normalQuantile = (share: number): number => {
  let [low, high] = [0, 6];
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (1 - normalTail(middle) < share) low = middle;
    else high = middle;
  }
  return low;
};
