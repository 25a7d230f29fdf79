import { integers, node } from "../../onnx/graph.ts";
import type { Part } from "../linear.ts";

/**
 * Rows `[batch * tokens, width]` as sequences `[batch, tokens, width]`.
 *
 * @param past a tensor `[batch, ...]`
 */
export const sequences = (input: string, output: string, width: number, past: string): Part => ({
  nodes: [
    node("Shape", [past], [`${output}_batch`], { start: 0, end: 1 }),
    node("Concat", [`${output}_batch`, `${output}_row`], [`${output}_shape`], { axis: 0 }),
    node("Reshape", [input, `${output}_shape`], [output]),
  ],
  constants: [integers(`${output}_row`, [-1, width])],
});

/** Sequences `[batch, tokens, width]` as rows. */
export const rows = (input: string, output: string, width: number): Part => ({
  nodes: [node("Reshape", [input, `${output}_rows`], [output])],
  constants: [integers(`${output}_rows`, [-1, width])],
});

/** Neighbouring channels of the last dimension, one tensor per width. */
export const channels = (input: string, outputs: Readonly<Record<string, number>>): Part => {
  const [names, widths] = [Object.keys(outputs), Object.values(outputs)];
  return {
    nodes: [node("Split", [input, `${input}_widths`], names, { axis: -1 })],
    constants: [integers(`${input}_widths`, widths)],
  };
};
