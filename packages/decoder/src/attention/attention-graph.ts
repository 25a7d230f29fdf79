import type { LayerShape } from "@kvtuner/plan";
import { type Graph, integers, node, scalar } from "../onnx/graph.ts";

/** Differences between the graphs of layers; masks and sink logits are inputs. */
export interface AttentionVariant {
  readonly scale: number;
  readonly softcap?: number | undefined;
  readonly hasSinks: boolean;
}

/**
 * Grouped-query attention over given columns: `softmax(cap(scale * q k^T) + mask) v`, with `cap(x) = softcap * tanh(x /
 * softcap)`.
 *
 * Inputs, float32: `query` `[rows, H * D]`; `key` `[columns, KV * D]`; `value` `[columns, KV * V]`; `mask` `[rows, columns]`, 0 or -inf;
 * with sinks also `sinks` `[KV, H / KV, 1, 1]`, an extra score per query head, without a value. Output: `attention`
 * `[rows, H * V]`. The query heads of a KV head are stacked, so each KV head is one matrix product.
 */
export const attentionGraph = (
  { queryHeads, kvHeads, headSize, valueSize = headSize }: LayerShape,
  { scale, softcap, hasSinks }: AttentionVariant,
): Graph => {
  const ratio = queryHeads / kvHeads;
  return {
    name: "attention",
    inputs: [
      { name: "query", dims: ["rows", queryHeads * headSize] },
      { name: "key", dims: ["columns", kvHeads * headSize] },
      { name: "value", dims: ["columns", kvHeads * valueSize] },
      { name: "mask", dims: ["rows", "columns"] },
      ...(hasSinks ? [{ name: "sinks", dims: [kvHeads, ratio, 1, 1] }] : []),
    ],
    outputs: [{ name: "attention", dims: ["rows", queryHeads * valueSize] }],
    nodes: [
      node("Mul", ["query", "score_scale"], ["query_scaled"]),
      node("Reshape", ["query_scaled", "query_split"], ["query_heads"]),
      node("Transpose", ["query_heads"], ["query_by_head"], { perm: [1, 2, 0, 3] }),
      node("Reshape", ["query_by_head", "stacked_query"], ["query_rows"]),
      node("Reshape", ["key", "column_split"], ["key_heads"]),
      node("Transpose", ["key_heads"], ["key_columns"], { perm: [1, 2, 0] }),
      node("Reshape", ["value", "value_split"], ["value_heads"]),
      node("Transpose", ["value_heads"], ["value_rows"], { perm: [1, 0, 2] }),
      node("MatMul", ["query_rows", "key_columns"], [softcap === undefined ? "scores_flat" : "scores_uncapped"]),
      ...(softcap === undefined ? [] : CAP),
      node("Shape", ["mask"], ["mask_shape"]),
      node("Concat", ["heads_by_ratio", "mask_shape"], ["scores_shape"], { axis: 0 }),
      node("Reshape", ["scores_flat", "scores_shape"], ["scores"]),
      node("Add", ["scores", "mask"], ["scores_masked"]),
      ...(hasSinks ? SOFTMAX_WITH_SINKS : [node("Softmax", ["scores_masked"], ["weights"], { axis: -1 })]),
      node("Shape", ["scores_flat"], ["flat_shape"]),
      node("Reshape", ["weights", "flat_shape"], ["weights_flat"]),
      node("MatMul", ["weights_flat", "value_rows"], ["output_flat"]),
      node("Reshape", ["output_flat", "output_split"], ["output_heads"]),
      node("Transpose", ["output_heads"], ["output_by_row"], { perm: [2, 0, 1, 3] }),
      node("Reshape", ["output_by_row", "output_rows"], ["attention"]),
    ],
    constants: [
      scalar("score_scale", scale),
      integers("query_split", [-1, kvHeads, ratio, headSize]),
      integers("stacked_query", [kvHeads, -1, headSize]),
      integers("column_split", [-1, kvHeads, headSize]),
      integers("value_split", [-1, kvHeads, valueSize]),
      integers("heads_by_ratio", [kvHeads, ratio]),
      integers("output_split", [kvHeads, ratio, -1, valueSize]),
      integers("output_rows", [-1, queryHeads * valueSize]),
      ...(softcap === undefined ? [] : [scalar("cap", softcap)]),
      ...(hasSinks ? SINK_CONSTANTS : []),
    ],
  };
};

const CAP = [
  node("Div", ["scores_uncapped", "cap"], ["scores_in_caps"]),
  node("Tanh", ["scores_in_caps"], ["scores_bent"]),
  node("Mul", ["scores_bent", "cap"], ["scores_flat"]),
];

/** The sinks are an extra column, whose weights are dropped. */
const SOFTMAX_WITH_SINKS = [
  node("Gather", ["mask_shape", "first"], ["row_count"]),
  node("Concat", ["heads_by_ratio", "row_count", "one"], ["sink_shape"], { axis: 0 }),
  node("Expand", ["sinks", "sink_shape"], ["sink_column"]),
  node("Concat", ["scores_masked", "sink_column"], ["scores_with_sinks"], { axis: -1 }),
  node("Softmax", ["scores_with_sinks"], ["weights_with_sinks"], { axis: -1 }),
  node("Slice", ["weights_with_sinks", "first", "minus_one", "last_axis"], ["weights"]),
];

const SINK_CONSTANTS = [
  integers("first", [0]),
  integers("one", [1]),
  integers("minus_one", [-1]),
  integers("last_axis", [3]),
];
