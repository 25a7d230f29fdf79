import type { AffineScheme } from "@kvtuner/plan";
import { loadParameters, storeParameters, type StoredParameters } from "../affine-parameters.ts";
import { blockRows, type StridedNumbers } from "../block-rows.ts";
import { emptyBlock } from "../encoded-block.ts";
import { groupParameters } from "../group.ts";
import { hadamardBlockSize } from "../hadamard.ts";
import { rotatedRows, type RotationContext, rotationOf } from "../rotation.ts";
import { type BlockErrorBounds, blockErrors, norm } from "./block-errors.ts";
import { DOUBLE_SLACK, FLOAT32_ROUNDING, fittedErrorBound } from "./group.ts";
import { tableErrorBounds } from "./table-rotation.ts";

/**
 * Largest change of a block by affine codes.
 *
 * Proof with the transform `W` (orthogonal, its own inverse, entries `±1 / sqrt(n)`): if the numbers that become codes
 * are off by `e`, `|e_j| <= b_j`, then `x` is off by `W e`, whose norm is that of `e`, at most `|b|_2`, and whose entries
 * are at most `|b|_1 / sqrt(n)`. Float32 adds the rounding of both transforms (docs/bounds.md). Signs change no magnitude.
 */
export const affineErrorBounds = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: AffineScheme,
  context: RotationContext,
): BlockErrorBounds => {
  const rotation = rotationOf(scheme, headSize, context);
  const rotated = rotatedRows(x, headSize, rotation);
  const bounds = codeBounds(rotated, tokens, headSize, scheme);
  if (!rotation) return blockErrors(bounds, tokens, headSize);
  return rotation.matrix
    ? tableErrorBounds(bounds, { x, rotated, matrix: rotation.matrix, headSize })
    : transformedBack(bounds, x, tokens, headSize);
};

const codeBounds = (x: Float32Array, tokens: number, headSize: number, scheme: AffineScheme): Float64Array => {
  const bounds = new Float64Array(x.length);
  const rows = blockRows(tokens, headSize, scheme);
  const stored = emptyBlock(tokens, headSize, scheme) as unknown as StoredParameters;
  storeParameters(stored, x, rows, headSize, scheme);
  const { scales, minima } = loadParameters(stored, headSize, scheme);
  const parameters = groupParameters(scheme);
  for (const [index, group] of rows.flatMap(({ groups }) => groups).entries()) {
    parameters.scale = scales[index]!;
    parameters.minimum = minima[index] ?? 0;
    const bound = fittedErrorBound(parameters, ...extremes(x, group));
    for (let place = 0; place < group.count; place++) bounds[group.offset + place * group.stride] = bound;
  }
  return bounds;
};

const extremes = (x: Float32Array, { offset, stride, count }: StridedNumbers): readonly [number, number] => {
  let smallest = x[offset]!;
  let largest = smallest;
  for (let index = 1; index < count; index++) {
    const number = x[offset + index * stride]!;
    smallest = Math.min(smallest, number);
    largest = Math.max(largest, number);
  }
  return [smallest, largest];
};

/** The transform works on parts of the head vector, each a power of two long. */
const transformedBack = (bounds: Float64Array, x: Float32Array, tokens: number, headSize: number): BlockErrorBounds => {
  const numbers = new Float64Array(bounds.length);
  const vectors = new Float64Array(tokens);
  const size = hadamardBlockSize(headSize);
  for (let start = 0; start < bounds.length; start += size) {
    const part = bounds.subarray(start, start + size);
    const rounding = transformRounding(norm(x.subarray(start, start + size)), norm(part), size);
    const sum = part.reduce((total, bound) => total + bound, 0);
    numbers.fill((DOUBLE_SLACK * sum) / Math.sqrt(size) + rounding, start, start + size);
    const token = Math.floor(start / headSize);
    vectors[token] = Math.hypot(vectors[token]!, norm(part) + rounding);
  }
  return { numbers, vectors };
};

/**
 * Norm of what float32 rounding adds in both transforms, for a vector of norm `length`. Each of the `log2 n` stages and the
 * final scaling change the vector by at most `u` of its norm, or by 2^-149 a number where it underflows.
 */
const transformRounding = (length: number, error: number, size: number): number => {
  const relative = (Math.log2(size) + 1.01) * FLOAT32_ROUNDING * (1 + 2 ** -18);
  const underflow = Math.sqrt(size) * 2 ** -148;
  return relative * (2.001 * length + error) + underflow;
};
