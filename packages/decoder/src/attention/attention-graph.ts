import type { CacheShape } from "@kvtuner/plan";
import { type Graph, integers, node, scalar } from "../onnx/graph.ts";

/**
 * Grouped-query attention over given columns: `softmax(q k^T / sqrt(D) + mask) v`.
 *
 * Inputs, float32: `query` `[rows, H * D]`; `key` and `value` `[columns, KV * D]`; `mask` `[rows, columns]`, 0 or -inf.
 * Output: `attention` `[rows, H * D]`. The query heads of one KV head are stacked, so each KV head is one matrix product.
 */
export const attentionGraph = ({ queryHeads, kvHeads, headSize }: CacheShape): Graph => {
  const ratio = queryHeads / kvHeads;
  return {
    name: "attention",
    inputs: [
      { name: "query", dims: ["rows", queryHeads * headSize] },
      { name: "key", dims: ["columns", kvHeads * headSize] },
      { name: "value", dims: ["columns", kvHeads * headSize] },
      { name: "mask", dims: ["rows", "columns"] },
    ],
    outputs: [{ name: "attention", dims: ["rows", queryHeads * headSize] }],
    nodes: [
      node("Mul", ["query", "inverse_root"], ["query_scaled"]),
      node("Reshape", ["query_scaled", "query_split"], ["query_heads"]),
      node("Transpose", ["query_heads"], ["query_by_head"], { perm: [1, 2, 0, 3] }),
      node("Reshape", ["query_by_head", "stacked_query"], ["query_rows"]),
      node("Reshape", ["key", "column_split"], ["key_heads"]),
      node("Transpose", ["key_heads"], ["key_columns"], { perm: [1, 2, 0] }),
      node("Reshape", ["value", "column_split"], ["value_heads"]),
      node("Transpose", ["value_heads"], ["value_rows"], { perm: [1, 0, 2] }),
      node("MatMul", ["query_rows", "key_columns"], ["scores_flat"]),
      node("Shape", ["mask"], ["mask_shape"]),
      node("Concat", ["heads_by_ratio", "mask_shape"], ["scores_shape"], { axis: 0 }),
      node("Reshape", ["scores_flat", "scores_shape"], ["scores"]),
      node("Add", ["scores", "mask"], ["scores_masked"]),
      node("Softmax", ["scores_masked"], ["weights"], { axis: -1 }),
      node("Shape", ["scores_flat"], ["flat_shape"]),
      node("Reshape", ["weights", "flat_shape"], ["weights_flat"]),
      node("MatMul", ["weights_flat", "value_rows"], ["output_flat"]),
      node("Reshape", ["output_flat", "output_split"], ["output_heads"]),
      node("Transpose", ["output_heads"], ["output_by_row"], { perm: [2, 0, 1, 3] }),
      node("Reshape", ["output_by_row", "output_rows"], ["attention"]),
    ],
    constants: [
      scalar("inverse_root", 1 / Math.sqrt(headSize)),
      integers("query_split", [-1, kvHeads, ratio, headSize]),
      integers("stacked_query", [kvHeads, -1, headSize]),
      integers("column_split", [-1, kvHeads, headSize]),
      integers("heads_by_ratio", [kvHeads, ratio]),
      integers("output_split", [kvHeads, ratio, -1, headSize]),
      integers("output_rows", [-1, queryHeads * headSize]),
    ],
  };
};
