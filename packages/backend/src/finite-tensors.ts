import type { LayerScheme, TensorScheme } from "@kvtuner/plan";
import { hadamardInPlace, MAX_FLOAT16, roundArrayToFloat16 } from "@kvtuner/quantizers";
import { TensorError } from "./attend-tokens.ts";

/** Scores of larger queries would overflow float32. */
const MAX_QUERY = 1e15;

/** Where the numbers will be stored. */
export interface Destination {
  /** For the message. */
  readonly layer: number;
  readonly scheme: LayerScheme;
  readonly headSize: number;
  /** As the head size by default. */
  readonly valueSize?: number | undefined;
}

/**
 * Rejects numbers that would poison a cache: NaN or infinity anywhere, queries of magnitude over 1e15, and keys or values of
 * magnitude over 65504 (the largest float16) before or after the transform of their scheme. For backends with tensors on the
 * CPU; others document what they do instead.
 *
 * @param query float32 of any layout
 * @param key float32 `[tokens, kvHeads * headSize]`, not yet rounded to float16; so is `value`, in its size
 * @throws TensorError `BACKEND_TENSOR_NOT_FINITE` with tensor, number and place
 */
export const assertFiniteTensors = (
  { layer, scheme, headSize, valueSize = headSize }: Destination,
  query: Float32Array,
  key: Float32Array,
  value: Float32Array,
): void => {
  assertFiniteQuery(`the query of layer ${layer}`, query);
  assertStorable(`the key of layer ${layer}`, key, scheme.key, headSize);
  assertStorable(`the value of layer ${layer}`, value, scheme.value, valueSize);
};

/**
 * The same for a query alone.
 *
 * @throws TensorError `BACKEND_TENSOR_NOT_FINITE`
 */
export const assertFiniteQuery = (what: string, query: Float32Array): void => {
  largestWithin(what, query, MAX_QUERY);
};

/** Transforms only if needed: it makes a number at most the square root of the head size larger. */
const assertStorable = (what: string, rows: Float32Array, scheme: TensorScheme, headSize: number): void => {
  const largest = largestWithin(what, rows, MAX_FLOAT16);
  if (!("transform" in scheme) || scheme.transform === "none") return;
  if (largest * Math.sqrt(headSize) < 0.99 * MAX_FLOAT16) return;
  const transformed = new Float32Array(rows.length);
  roundArrayToFloat16(rows, transformed);
  for (let offset = 0; offset < rows.length; offset += headSize) hadamardInPlace(transformed, offset, headSize);
  largestWithin(`${what} after the Hadamard transform`, transformed, MAX_FLOAT16);
};

const largestWithin = (what: string, numbers: Float32Array, limit: number): number => {
  let largest = 0;
  for (let index = 0; index < numbers.length; index++) {
    const magnitude = Math.abs(numbers[index]!);
    if (!(magnitude <= limit)) throw refused(what, numbers[index]!, index, limit);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
};

const refused = (what: string, value: number, index: number, limit: number): TensorError => {
  return new TensorError(
    "BACKEND_TENSOR_NOT_FINITE",
    `expected numbers of magnitude up to ${limit} in ${what}, got ${value} at index ${index}; find where the model overflows`,
  );
};
