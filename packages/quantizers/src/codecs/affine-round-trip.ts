import type { AffineScheme } from "@kvtuner/plan";
import { loadParameters, storeParameters, type StoredParameters } from "../affine-parameters.ts";
import { blockRows } from "../block-rows.ts";
import { emptyBlock } from "../encoded-block.ts";
import { roundHalfToEven } from "../float16.ts";
import {
  decodeNumber,
  encodeNumber,
  fitExtremes,
  fitGroup,
  type GroupParameters,
  groupParameters,
  magnitudeLimit,
} from "../group.ts";
import { rotationOf } from "../rotation.ts";
import type { CodecContext, RowLayout } from "./codec.ts";
import { inHeadBlocks } from "./head-blocks.ts";

/** Replaces whole blocks by their decoded codes, without packing: float32 `[tokens, heads * headSize]`. */
export const roundTripAffine = (
  data: Float32Array,
  layout: RowLayout,
  scheme: AffineScheme,
  context: Omit<CodecContext, "head">,
): void => {
  const rotations = Array.from({ length: layout.heads }, (_, head) =>
    rotationOf(scheme, layout.headSize, { ...context, head }),
  );
  forVectors(layout, (head, offset) => rotations[head]?.apply(data, offset));
  if (scheme.parameters === "two-level") quantizeInTwoLevels(data, layout, scheme);
  else if (scheme.axis === "token") quantizeRows(data, layout.tokens, layout, scheme);
  else quantizeColumns(data, layout.tokens, layout, scheme);
  forVectors(layout, (head, offset) => rotations[head]?.undo(data, offset));
};

const forVectors = ({ tokens, heads, headSize }: RowLayout, visit: (head: number, offset: number) => void): void => {
  for (let vector = 0; vector < tokens * heads; vector++) visit(vector % heads, vector * headSize);
};

/** Block by block, because the groups of a block share what their parameters are coded with. */
const quantizeInTwoLevels = (data: Float32Array, layout: RowLayout, scheme: AffineScheme): void => {
  const { headSize } = layout;
  const { blockSize } = scheme;
  const rows = blockRows(blockSize, headSize, scheme);
  const stored = emptyBlock(blockSize, headSize, scheme) as unknown as StoredParameters;
  const parameters = groupParameters(scheme);
  inHeadBlocks(data, layout, blockSize, (x) => {
    storeParameters(stored, x, rows, headSize, scheme);
    const { scales, minima } = loadParameters(stored, headSize, scheme);
    for (const [group, { offset, stride, count }] of rows.flatMap(({ groups }) => groups).entries()) {
      parameters.scale = scales[group]!;
      parameters.minimum = minima[group] ?? 0;
      for (let index = offset; index < offset + count * stride; index += stride)
        x[index] = decodeNumber(parameters, encodeNumber(parameters, x[index]!));
    }
  });
};

const quantizeRows = (data: Float32Array, rows: number, { heads, headSize }: RowLayout, scheme: AffineScheme): void => {
  const parameters = groupParameters(scheme);
  const groupSize = scheme.groupSize === "head" ? headSize : scheme.groupSize;
  const end = rows * heads * headSize;
  for (let head = 0; head < end; head += headSize) {
    parameters.limit = magnitudeLimit(data, head, headSize, scheme);
    for (let channel = head; channel < head + headSize; channel += groupSize)
      quantizeGroup(parameters, data, channel, Math.min(groupSize, head + headSize - channel));
  }
};

const quantizeGroup = (parameters: GroupParameters, data: Float32Array, offset: number, count: number): void => {
  fitGroup(parameters, data, offset, count, 1);
  const { scale, minimum, lowest, highest } = parameters;
  const divisor = divisorOf(scale);
  for (let index = offset; index < offset + count; index++)
    data[index] = requantized(data[index]!, scale, divisor, minimum, lowest, highest);
};

const quantizeColumns = (
  data: Float32Array,
  rows: number,
  { heads, headSize }: RowLayout,
  scheme: AffineScheme,
): void => {
  const groupSize = scheme.groupSize as number;
  const columns = columnParameters(scheme, heads * headSize);
  for (let block = 0; block < rows; block += scheme.blockSize)
    for (let token = block; token < block + scheme.blockSize; token += groupSize)
      quantizeGroups(columns, data, token, Math.min(groupSize, block + scheme.blockSize - token));
};

/** Parameters of one group per column. */
interface ColumnParameters {
  readonly width: number;
  readonly group: GroupParameters;
  readonly smallest: Float32Array;
  readonly largest: Float32Array;
  readonly scale: Float64Array;
  readonly divisor: Float64Array;
  readonly minimum: Float64Array;
}

const columnParameters = (scheme: AffineScheme, width: number): ColumnParameters => ({
  width,
  group: groupParameters(scheme),
  smallest: new Float32Array(width),
  largest: new Float32Array(width),
  scale: new Float64Array(width),
  divisor: new Float64Array(width),
  minimum: new Float64Array(width),
});

/** Goes row by row, because columns lie far apart in memory. */
const quantizeGroups = (columns: ColumnParameters, data: Float32Array, token: number, count: number): void => {
  const { width, scale, divisor, minimum } = columns;
  const { lowest, highest } = columns.group;
  const rows = data.subarray(token * width, (token + count) * width);
  fitColumns(columns, rows);
  for (let row = 0; row < rows.length; row += width)
    for (let column = 0; column < width; column++)
      rows[row + column] = requantized(
        rows[row + column]!,
        scale[column]!,
        divisor[column]!,
        minimum[column]!,
        lowest,
        highest,
      );
};

const fitColumns = (columns: ColumnParameters, rows: Float32Array): void => {
  const { width, group, scale, divisor, minimum, smallest, largest } = columns;
  findExtremes(columns, rows);
  for (let column = 0; column < width; column++) {
    fitExtremes(group, smallest[column]!, largest[column]!);
    scale[column] = group.scale;
    divisor[column] = divisorOf(group.scale);
    minimum[column] = group.minimum;
  }
};

const findExtremes = ({ width, smallest, largest }: ColumnParameters, rows: Float32Array): void => {
  smallest.set(rows.subarray(0, width));
  largest.set(smallest);
  for (let row = width; row < rows.length; row += width)
    for (let column = 0; column < width; column++) {
      const x = rows[row + column]!;
      if (x < smallest[column]!) smallest[column] = x;
      else if (x > largest[column]!) largest[column] = x;
    }
};

/** A scale of 0 gives code 0. Dividing by infinity does this without a test per number. */
const divisorOf = (scale: number): number => scale || Infinity;

/** `decodeNumber(encodeNumber(x))` on numbers in registers. */
const requantized = (
  x: number,
  scale: number,
  divisor: number,
  minimum: number,
  lowest: number,
  highest: number,
): number => {
  const code = roundHalfToEven(Math.fround(Math.fround(x - minimum) / divisor));
  return (code < lowest ? lowest : code > highest ? highest : code) * scale + minimum;
};
