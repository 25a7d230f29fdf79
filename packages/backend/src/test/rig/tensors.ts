import type { LayerShape } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { assertLaw } from "../law.ts";
import type { CallNumbers } from "./random-rows.ts";

/** Query, key and value of a call. */
export type CallTensors = readonly [query: Tensor, key: Tensor, value: Tensor];

/** Tensors over copies of the numbers. */
export const callTensors = ({ tokens, query, key, value }: CallNumbers): CallTensors => [
  rowsTensor(query, tokens),
  rowsTensor(key, tokens),
  rowsTensor(value, tokens),
];

const rowsTensor = (rows: Float32Array, tokens: number): Tensor =>
  new Tensor("float32", rows.slice(), [1, tokens, rows.length / tokens]);

/** Copies the numbers of an output, after checking its type and dimensions. */
export const outputNumbers = async (
  output: Tensor,
  { queryHeads, headSize, valueSize = headSize }: LayerShape,
  tokens: number,
): Promise<Float32Array> => {
  const dims = JSON.stringify([1, tokens, queryHeads * valueSize]);
  assertLaw(output.type === "float32", `expected an output in float32, got ${output.type}`);
  assertLaw(JSON.stringify(output.dims) === dims, `expected an output of ${dims}, got ${JSON.stringify(output.dims)}`);
  return ((await output.getData()) as Float32Array).slice();
};

/** Fails if outputs differ by more than `tolerance` times the largest expected number. */
export const assertClose = (got: Float32Array, expected: Float64Array, tolerance: number, where: string): void => {
  let largest = 0;
  let error = 0;
  for (const [index, number] of expected.entries()) {
    largest = Math.max(largest, Math.abs(number));
    error = Math.max(error, Math.abs(got[index]! - number)); // NaN stays NaN, and fails
  }
  assertLaw(
    error <= tolerance * largest,
    `expected the output of ${where} within ${tolerance} of the largest, ${largest}; it is off by ${error}`,
  );
};
