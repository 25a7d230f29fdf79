import type { DecoderConfig } from "../architecture/config.ts";
import { integers, node } from "../onnx/graph.ts";
import { join, type Part } from "./linear.ts";

/** RMS norm of rows, with a weight for each number of a row. */
export const norm = (
  name: string,
  input: string,
  output: string,
  weight: Float32Array,
  { normEpsilon }: Pick<DecoderConfig, "normEpsilon">,
): Part => ({
  nodes: [node("RMSNormalization", [input, `${name}_weight`], [output], { epsilon: { float: normEpsilon } })],
  constants: [{ name: `${name}_weight`, dims: [weight.length], data: weight }],
});

/** The same for each group of `weight.length` numbers in rows of `width`. */
export const groupNorm = (
  name: string,
  input: string,
  output: string,
  weight: Float32Array,
  width: number,
  config: Pick<DecoderConfig, "normEpsilon">,
): Part => {
  if (weight.length === width) return norm(name, input, output, weight, config);
  return join([
    {
      nodes: [node("Reshape", [input, `${name}_groups`], [`${name}_split`])],
      constants: [integers(`${name}_groups`, [-1, weight.length])],
    },
    norm(name, `${name}_split`, `${name}_normed`, weight, config),
    {
      nodes: [node("Reshape", [`${name}_normed`, `${name}_rows`], [output])],
      constants: [integers(`${name}_rows`, [-1, width])],
    },
  ]);
};
