import { float16FromNumber, MAX_FLOAT16, numberFromFloat16 } from "../float16.ts";
import { hadamardInPlace } from "../hadamard.ts";
import { rotate as turn, unrotate as turnBack } from "../rope.ts";
import type { ShapedMetric, TransformTables } from "./transform-tables.ts";

/** Codes of one token, and the arrays to compute them in. */
export interface TransformToken {
  readonly tables: TransformTables;
  readonly vector: Float64Array;
  readonly rotated: Float32Array;
  readonly sums: Float64Array;
  /** The channels of `z`, float32, and what they are decoded to. */
  readonly z: Float32Array;
  readonly decoded: Float32Array;
  readonly codes: Uint16Array;
  readonly trial: Uint16Array;
  /** Errors of the channels so far, in the order of the metric. */
  readonly errors: Float64Array;
  /** float16 bits, or the place of a logarithmic gain; 0 without gains. */
  gain: number;
}

/** Arrays for one token after the other. */
export const transformToken = (tables: TransformTables): TransformToken => {
  const { headSize, places } = tables;
  const channels = places.length;
  return {
    tables,
    vector: new Float64Array(headSize),
    rotated: new Float32Array(headSize),
    sums: new Float64Array(channels),
    z: new Float32Array(channels),
    decoded: new Float32Array(channels),
    codes: new Uint16Array(channels),
    trial: new Uint16Array(channels),
    errors: new Float64Array(channels),
    gain: 0,
  };
};

/** Codes the token `x[offset ..]` at a position. */
export const encodeToken = (token: TransformToken, x: Float32Array, offset: number, position: number): void => {
  const { vector, tables } = token;
  const { mean, rope } = tables;
  for (let index = 0; index < vector.length; index++) vector[index] = x[offset + index]!;
  if (rope) turnBack(vector, vector.length, position, rope);
  if (mean) for (let index = 0; index < vector.length; index++) vector[index]! -= mean[index]!;
  rotate(token);
  CODERS[tables.scheme.gain](token);
};

/** Decodes the token's codes to `x[offset ..]`. */
export const decodeToken = (token: TransformToken, x: Float32Array, offset: number, position: number): void => {
  const { vector, tables } = token;
  const { mean, rope } = tables;
  decodeChannels(token, gainOf(token));
  rotateBack(token);
  if (mean) for (let index = 0; index < vector.length; index++) vector[index]! += mean[index]!;
  if (rope) turn(vector, vector.length, position, rope);
  for (let index = 0; index < vector.length; index++) x[offset + index] = vector[index]!;
};

const rotate = (token: TransformToken): void => {
  const { vector, rotated, z, tables } = token;
  const { places, rotation } = tables;
  if (rotation.kind === "matrix") {
    addRows(vector, rotation.forward, token.sums);
    z.set(token.sums);
    return;
  }
  if (rotation.kind === "hadamard") {
    const { signs } = rotation;
    for (let index = 0; index < rotated.length; index++) rotated[index] = vector[index]! * (signs?.[index] ?? 1);
    hadamardInPlace(rotated, 0, rotated.length);
    for (let channel = 0; channel < z.length; channel++) z[channel] = rotated[places[channel]!]!;
    return;
  }
  const factors = rotation.kind === "diagonal" ? rotation.forward : undefined;
  for (let channel = 0; channel < z.length; channel++)
    z[channel] = vector[places[channel]!]! * (factors ? factors[channel]! : 1);
};

const rotateBack = (token: TransformToken): void => {
  const { vector, rotated, decoded, tables } = token;
  const { places, rotation } = tables;
  if (rotation.kind === "matrix") return addRows(decoded, rotation.backward, vector);
  if (rotation.kind === "hadamard") {
    rotated.fill(0);
    for (let channel = 0; channel < decoded.length; channel++) rotated[places[channel]!] = decoded[channel]!;
    hadamardInPlace(rotated, 0, rotated.length);
    const { signs } = rotation;
    for (let index = 0; index < rotated.length; index++) vector[index] = rotated[index]! * (signs?.[index] ?? 1);
    return;
  }
  const factors = rotation.kind === "diagonal" ? rotation.backward : undefined;
  vector.fill(0);
  for (let channel = 0; channel < decoded.length; channel++)
    vector[places[channel]!] = decoded[channel]! * (factors ? factors[channel]! : 1);
};

/**
 * `sums_k = sum of factors_j matrix[j, k]` in double precision, j ascending. Four rows at a time, since the sums need not be loaded
 * and stored for each.
 */
const addRows = (factors: ArrayLike<number>, matrix: Float64Array, sums: Float64Array): void => {
  const [rows, width] = [factors.length, sums.length];
  const rest = rows % 4;
  sums.fill(0);
  for (let row = 0; row < rest; row++)
    for (let k = 0; k < width; k++) sums[k] = sums[k]! + factors[row]! * matrix[row * width + k]!;
  for (let row = rest; row < rows; row += 4) {
    const [a, b, c, d] = [factors[row]!, factors[row + 1]!, factors[row + 2]!, factors[row + 3]!];
    for (let k = 0, at = row * width; k < width; k++, at++)
      sums[k] =
        sums[k]! +
        a * matrix[at]! +
        b * matrix[at + width]! +
        c * matrix[at + 2 * width]! +
        d * matrix[at + 3 * width]!;
  }
};

/** Chooses the token's gain and codes. */
const CODERS: Readonly<Record<TransformTables["scheme"]["gain"], (token: TransformToken) => void>> = {
  none: (token) => {
    nearestCodes(token, 1, token.codes);
  },
  norm16: (token) => {
    token.gain = float16Gain(rootMeanSquare(token.z, token.tables));
    nearestCodes(token, numberFromFloat16(token.gain), token.codes);
  },
  "norm16-corrected": (token) => {
    const root = rootMeanSquare(token.z, token.tables);
    nearestCodes(token, Math.fround(root), token.codes);
    decodeChannels(token, 1);
    const unit = rootMeanSquare(token.decoded, token.tables);
    token.gain = float16Gain(unit > 0 ? root / unit : 0);
  },
  log4: (token) => {
    token.gain = searchedGain(token);
  },
};

/** Of the channels with bits. */
const rootMeanSquare = (numbers: Float32Array, { widths, coded }: TransformTables): number => {
  let squares = 0;
  for (let index = 0; index < numbers.length; index++)
    if (widths[index]! > 0) squares += numbers[index]! * numbers[index]!;
  return Math.sqrt(squares / Math.max(1, coded));
};

const float16Gain = (gain: number): number => float16FromNumber(Math.min(gain, MAX_FLOAT16));

/** Place of gain 1 among the logarithmic gains `2^(k/4)`. */
const UNIT_PLACE = 8;
/** Logarithmic gains, by their places: `2^((place - 8) / 4)`. */
export const LOG_GAINS: Float32Array = Float32Array.from({ length: 16 }, (_, place) => 2 ** ((place - UNIT_PLACE) / 4));
/** Squares of gains, half-way by their logarithms between the gain at `index` and the next. */
export const LOG_GAIN_POWERS: Float64Array = Float64Array.from(
  { length: LOG_GAINS.length - 1 },
  (_, index) => 2 ** ((index - UNIT_PLACE + 0.5) / 2),
);
/** Steps from the estimated gain that are tried, the likeliest first. */
const GAIN_STEPS = [0, -1, 1, -2, 2];

/** The place of the gain with the least squared error, near the one that the token's power gives. */
const searchedGain = (token: TransformToken): number => {
  const estimate = estimatedPlace(token);
  let [best, least] = [-1, Infinity];
  for (const step of GAIN_STEPS) {
    const place = estimate + step;
    if (place < 0 || place >= LOG_GAINS.length) continue;
    const error = nearestCodes(token, LOG_GAINS[place]!, token.trial, least);
    if (error >= least) continue;
    [best, least] = [place, error];
    token.codes.set(token.trial);
  }
  return best;
};

/** `gain^2` is the mean of `z_i^2` over what it is expected to be. */
const estimatedPlace = ({ z, tables: { inversePowers, coded } }: TransformToken): number => {
  let power = 0;
  for (let channel = 0; channel < z.length; channel++) power += z[channel]! * z[channel]! * inversePowers[channel]!;
  const square = power / Math.max(1, coded);
  let place = 0;
  while (place < LOG_GAIN_POWERS.length && square >= LOG_GAIN_POWERS[place]!) place++;
  return place;
};

/**
 * Codes each number by the level nearest to `z / gain`; at a gain of 0, to 0. Returns the squared error, in the metric if there is one,
 * or any number of at least `limit` once it reaches that.
 */
const nearestCodes = (token: TransformToken, gain: number, codes: Uint16Array, limit = Infinity): number => {
  const { z, tables } = token;
  if (tables.metric) return shapedCodes(token, tables.metric, gain, codes, limit);
  const inverse = gain > 0 ? 1 / gain : 0;
  let error = 0;
  for (let channel = 0; channel < z.length && error < limit; channel++) {
    const code = nearestCode(tables, channel, Math.fround(z[channel]! * inverse));
    codes[channel] = code;
    const difference = z[channel]! - gain * levelOf(tables, channel, code);
    error += difference * difference;
  }
  return error;
};

/** The same with targets that make up for the errors of the channels before. */
const shapedCodes = (
  { z, tables, errors }: TransformToken,
  { order, feedback, pivots }: ShapedMetric,
  gain: number,
  codes: Uint16Array,
  limit: number,
): number => {
  const inverse = gain > 0 ? 1 / gain : 0;
  let error = 0;
  for (let place = 0; place < order.length && error < limit; place++) {
    const channel = order[place]!;
    let carried = 0;
    for (let before = 0, at = place * order.length; before < place; before++, at++)
      carried += feedback[at]! * errors[before]!;
    const code = nearestCode(tables, channel, Math.fround((z[channel]! + carried) * inverse));
    codes[channel] = code;
    const own = z[channel]! - gain * levelOf(tables, channel, code);
    errors[place] = own;
    error += pivots[place]! * (own + carried) * (own + carried);
  }
  return error;
};

const nearestCode = (tables: TransformTables, channel: number, target: number): number => {
  const { widths, starts, thresholds, guesses, cellsPerUnit } = tables;
  const width = widths[channel]!;
  if (width === 0) return 0;
  if (width === 16) return float16FromNumber(Math.max(-MAX_FLOAT16, Math.min(MAX_FLOAT16, target)));
  const start = starts[channel]!;
  const last = start + (1 << width) - 1;
  const cell = Math.trunc((target - thresholds[start]!) * cellsPerUnit[channel]!) || 0;
  let at = start + guesses[4 * start + Math.max(0, Math.min(4 * (last + 1 - start) - 1, cell))]!;
  while (at < last && target >= thresholds[at]!) at++;
  while (at > start && target < thresholds[at - 1]!) at--;
  return at - start;
};

/** What a code stands for at gain 1. */
const levelOf = ({ widths, starts, levels }: TransformTables, channel: number, code: number): number => {
  const width = widths[channel]!;
  if (width === 0) return 0;
  return width === 16 ? numberFromFloat16(code) : levels[starts[channel]! + code]!;
};

const gainOf = ({ gain, tables }: TransformToken): number => {
  const kind = tables.scheme.gain;
  if (kind === "none") return 1;
  return kind === "log4" ? LOG_GAINS[gain]! : numberFromFloat16(gain);
};

const decodeChannels = ({ codes, decoded, tables }: TransformToken, gain: number): void => {
  for (let channel = 0; channel < codes.length; channel++)
    decoded[channel] = gain * levelOf(tables, channel, codes[channel]!);
};
