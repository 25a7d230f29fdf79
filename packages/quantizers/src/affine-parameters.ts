import type { AffineScheme } from "@kvtuner/plan";
import type { BlockRow } from "./block-rows.ts";
import type { PartArray } from "./encoded-block.ts";
import { float16FromNumber, float16NotBelow, numberFromFloat16 } from "./float16.ts";
import { fitGroup, type GroupParameters, groupParameters, magnitudeLimit } from "./group.ts";

/** Scale and minimum of each group of a block, in the order of its rows. */
export interface BlockParameters {
  readonly scales: Float32Array;
  readonly minima: Float32Array;
}

/**
 * How parameters are stored: float16 bits; or, in two levels, 8-bit codes of units in float16. A scale is `code * unit`, a
 * minimum `(code - 128) * unit`.
 */
export interface StoredParameters {
  readonly scales: PartArray;
  /** Absent for symmetric codes, and so are their units. */
  readonly minima?: PartArray;
  readonly scaleUnits?: Uint16Array;
  readonly minimumUnits?: Uint16Array;
}

const SCALE_STEPS = 255;
/** To either side of zero. */
const MINIMUM_STEPS = 127;
const MINIMUM_ZERO = 128;

/** The stored parameters, as decoding uses them. */
export const loadParameters = (stored: StoredParameters, headSize: number, scheme: AffineScheme): BlockParameters => {
  const { scales, minima = new Uint8Array(), scaleUnits, minimumUnits } = stored;
  if (!scaleUnits)
    return {
      scales: Float32Array.from(scales, numberFromFloat16),
      minima: Float32Array.from(minima, numberFromFloat16),
    };
  const unitOf = unitIndex(headSize, scheme);
  return {
    scales: Float32Array.from(scales, (code, group) => code * numberFromFloat16(scaleUnits[unitOf(group)]!)),
    minima: Float32Array.from(
      minima,
      (code, group) => (code - MINIMUM_ZERO) * numberFromFloat16(minimumUnits![unitOf(group)]!),
    ),
  };
};

/** Fits the parameters of the groups of `x` and stores them. */
export const storeParameters = (
  stored: StoredParameters,
  x: Float32Array,
  rows: readonly BlockRow[],
  headSize: number,
  scheme: AffineScheme,
): void => {
  const fits = rows.flatMap((row) => fitsOf(x, row, scheme));
  if (stored.scaleUnits) storeTwoLevels(stored, fits, unitIndex(headSize, scheme));
  else
    for (const [group, { scale, minimum }] of fits.entries()) {
      stored.scales[group] = float16FromNumber(scale);
      if (stored.minima) stored.minima[group] = float16FromNumber(minimum);
    }
};

const fitsOf = (x: Float32Array, { offset, count, groups }: BlockRow, scheme: AffineScheme): GroupParameters[] => {
  const limit = magnitudeLimit(x, offset, count, scheme);
  return groups.map((group) => {
    const parameters = { ...groupParameters(scheme), limit };
    fitGroup(parameters, x, group.offset, group.count, group.stride);
    return parameters;
  });
};

/** The units that a group shares: those of its block on axis token, those of its channel in the block on axis channel. */
const unitIndex = (headSize: number, { axis, blockSize, groupSize }: AffineScheme): ((group: number) => number) => {
  if (axis === "token") {
    const groupsOfToken = groupSize === "head" ? 1 : Math.ceil(headSize / groupSize);
    return (group) => Math.floor(group / (groupsOfToken * blockSize));
  }
  const groupsOfBlock = headSize * Math.ceil(blockSize / (groupSize as number));
  return (group) => headSize * Math.floor(group / groupsOfBlock) + (group % headSize);
};

/**
 * Rounds minima down, then fits to each the scale that reaches the end of the range from there, rounded up. So the grid
 * covers the range but for rounding in float32.
 */
const storeTwoLevels = (
  { scales, minima, scaleUnits, minimumUnits }: StoredParameters,
  fits: readonly GroupParameters[],
  unitOf: (group: number) => number,
): void => {
  const units = minima
    ? fitUnits(
        minimumUnits!,
        fits.map(({ bottom }) => Math.abs(bottom)),
        unitOf,
        MINIMUM_STEPS,
      )
    : [];
  const steps = fits.map(({ bottom, range, highest }, group) => {
    if (!minima) return Math.fround(range / highest);
    const unit = units[unitOf(group)]!;
    const code = unit === 0 ? 0 : Math.max(-MINIMUM_STEPS - 1, Math.floor(Math.fround(bottom / unit)));
    minima[group] = code + MINIMUM_ZERO;
    return Math.fround(Math.max(0, Math.fround(Math.fround(bottom - code * unit) + range)) / highest);
  });
  const scaleUnit = fitUnits(scaleUnits!, steps, unitOf, SCALE_STEPS);
  for (const [group, step] of steps.entries()) {
    const unit = scaleUnit[unitOf(group)]!;
    scales[group] = unit === 0 ? 0 : Math.min(SCALE_STEPS, Math.ceil(Math.fround(step / unit)));
  }
};

/** For each unit the smallest float16 of which `count` times reach the largest of its numbers. */
const fitUnits = (
  stored: Uint16Array,
  numbers: readonly number[],
  unitOf: (group: number) => number,
  count: number,
): Float32Array => {
  const largest = new Float32Array(stored.length);
  for (const [group, number] of numbers.entries()) {
    const unit = unitOf(group);
    largest[unit] = Math.max(largest[unit]!, number);
  }
  for (const [unit, number] of largest.entries()) stored[unit] = float16NotBelow(Math.fround(number / count));
  return Float32Array.from(stored, numberFromFloat16);
};
