import type { TensorScheme } from "@kvtuner/plan";
import { blockGroups } from "../block-groups.ts";
import { hadamardBlockSize, hadamardInPlace } from "../hadamard.ts";
import { groupErrorBound, UNIT_ROUNDOFF } from "./group.ts";

/** Bounds of a decoded block: on every number, and on the Euclidean length of each token's error. */
export interface BlockErrorBound {
  readonly perNumber: number;
  readonly perToken: Float64Array;
}

/** Bounds the error of encoding float32 `[tokens, headSize]` under a scheme; docs/bounds.md has the proof for Hadamard. */
export const blockErrorBound = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
): BlockErrorBound => {
  const rotated = x.slice(0, tokens * headSize);
  const hadamard = scheme.transform === "hadamard" && scheme.bits !== 16;
  if (hadamard) for (let at = 0; at < rotated.length; at += headSize) hadamardInPlace(rotated, at, headSize);
  const errors = numberBounds(rotated, tokens, headSize, scheme);
  const perToken = new Float64Array(tokens);
  let perNumber = 0;
  for (let token = 0; token < tokens; token++) {
    const own = errors.subarray(token * headSize, (token + 1) * headSize);
    const rounding = hadamard ? transformRounding(x.subarray(token * headSize), own, headSize) : 0;
    perToken[token] = Math.hypot(...own) * (1 + 1e-12) + rounding;
    perNumber = Math.max(perNumber, largestError(own, hadamard ? hadamardBlockSize(headSize) : 1) + rounding);
  }
  return { perNumber, perToken };
};

const numberBounds = (x: Float32Array, tokens: number, headSize: number, scheme: TensorScheme): Float64Array => {
  if (scheme.bits === 16) return Float64Array.from(x, (value) => Math.max(Math.abs(value) * 2 ** -11, 2 ** -25));
  const errors = new Float64Array(x.length);
  for (const { offset, count, stride } of blockGroups(tokens, headSize, scheme)) {
    const group = Array.from({ length: count }, (_, i) => x[offset + i * stride]!);
    const bound = groupErrorBound(Math.min(...group), Math.max(...group), scheme);
    for (let i = 0; i < count; i++) errors[offset + i * stride] = bound;
  }
  return errors;
};

/** A row of `H / sqrt(n)` has entries of size `1 / sqrt(n)`: a number gathers the sum of its block's errors over it. */
const largestError = (errors: Float64Array, size: number): number => {
  let largest = 0;
  for (let start = 0; start < errors.length; start += size) {
    const sum = errors.subarray(start, start + size).reduce((a, b) => a + b, 0);
    largest = Math.max(largest, (sum / Math.sqrt(size)) * (1 + 1e-12));
  }
  return largest;
};

const transformRounding = (x: Float32Array, errors: Float64Array, headSize: number): number => {
  const stages = Math.log2(hadamardBlockSize(headSize)) + 1;
  const growth = (1 + UNIT_ROUNDOFF) ** stages - 1 + 1e-14;
  const length = Math.hypot(...x.subarray(0, headSize));
  const tiny = Math.sqrt(headSize) * 2 ** -149;
  return growth * (length * (2 + growth) + Math.hypot(...errors)) * (1 + 1e-9) + 3 * tiny;
};
