import type { TensorScheme } from "@kvtuner/plan";
import { roundArrayToFloat16 } from "./float16.ts";
import { decodeNumber, encodeNumber, fitGroup, type GroupParameters, groupParameters } from "./group.ts";
import { hadamardInPlace } from "./hadamard.ts";

/** Rows are tokens; each holds the heads side by side: row-major `[tokens, heads * headSize]`. */
export interface RowLayout {
  readonly tokens: number;
  readonly heads: number;
  readonly headSize: number;
}

/**
 * Encodes and decodes whole blocks of tokens without packing, from `source` into `target` (both float32 `[tokens,
 * heads * headSize]`, not overlapping unless the same): bit for bit what decoding packed blocks gives. Tokens of a last
 * block that is not full are copied. With 16 bits, everything is rounded to float16. Input is trusted to be finite.
 */
export const fakeQuantize = (
  source: Float32Array,
  target: Float32Array,
  layout: RowLayout,
  scheme: TensorScheme,
): void => {
  if (scheme.bits === 16) return roundArrayToFloat16(source, target);
  if (source !== target) target.set(source);
  const rows = scheme.blockSize * Math.floor(layout.tokens / scheme.blockSize);
  if (scheme.transform === "hadamard") transformRows(target, rows, layout);
  if (scheme.axis === "token") quantizeRows(target, rows, layout, scheme);
  else quantizeColumns(target, rows, layout, scheme);
  if (scheme.transform === "hadamard") transformRows(target, rows, layout);
};

const transformRows = (data: Float32Array, rows: number, { heads, headSize }: RowLayout): void => {
  const end = rows * heads * headSize;
  for (let offset = 0; offset < end; offset += headSize) hadamardInPlace(data, offset, headSize);
};

const quantizeRows = (data: Float32Array, rows: number, { heads, headSize }: RowLayout, scheme: TensorScheme): void => {
  const parameters = groupParameters(scheme);
  const groupSize = scheme.groupSize === "head" ? headSize : scheme.groupSize;
  const end = rows * heads * headSize;
  for (let head = 0; head < end; head += headSize)
    for (let channel = 0; channel < headSize; channel += groupSize)
      quantizeGroup(parameters, data, head + channel, Math.min(groupSize, headSize - channel), 1);
};

const quantizeColumns = (
  data: Float32Array,
  rows: number,
  { heads, headSize }: RowLayout,
  scheme: TensorScheme,
): void => {
  const parameters = groupParameters(scheme);
  const groupSize = scheme.groupSize as number;
  const width = heads * headSize;
  for (let block = 0; block < rows; block += scheme.blockSize)
    for (let token = block; token < block + scheme.blockSize; token += groupSize)
      for (let column = 0; column < width; column++)
        quantizeGroup(
          parameters,
          data,
          token * width + column,
          Math.min(groupSize, block + scheme.blockSize - token),
          width,
        );
};

const quantizeGroup = (
  parameters: GroupParameters,
  data: Float32Array,
  offset: number,
  count: number,
  stride: number,
): void => {
  fitGroup(parameters, data, offset, count, stride);
  const end = offset + count * stride;
  for (let index = offset; index < end; index += stride)
    data[index] = decodeNumber(parameters, encodeNumber(parameters, data[index]!));
};
