import { inHalfSplitOrder } from "../half-split.ts";
import type { LayerReader } from "../layer-reader.ts";
import { sliceRows } from "../slice-rows.ts";
import type { Activation, FeedForwardWeights, ProjectionWeights } from "../weights.ts";

/** How a file stores query, key and value. */
interface ProjectionLayout {
  /** Rows of a head that RoPE rotates together: `2i` and `2i + 1`, or `i` and `i + half`. */
  readonly ropeRows: "neighbours" | "halves";
  /** Whether query, key and value must have a bias. A bias that the file has is always added. */
  readonly needsBias?: boolean;
  /** Whether the residuals are normed before; true by default. */
  readonly hasNorm?: boolean;
}

/** Norm, query, key and value from tensors of their own, with query and key rows in the half-split RoPE order. */
export const separateProjection = async (
  reader: LayerReader,
  { ropeRows, needsBias = false, hasNorm = true }: ProjectionLayout,
): Promise<ProjectionWeights> => {
  const { hiddenSize, headSize, queryHeads, kvHeads } = reader.config;
  const ropeDimensions = ropeDimensionsOf(reader);
  const [query, key, value] = [
    await reader.linear("attn_q", queryHeads * headSize, hiddenSize, needsBias),
    await reader.linear("attn_k", kvHeads * headSize, hiddenSize, needsBias),
    await reader.linear("attn_v", kvHeads * headSize, hiddenSize, needsBias),
  ];
  const isReordered = ropeRows === "neighbours" && ropeDimensions > 0;
  return {
    ...(hasNorm && { norm: await reader.vector("attn_norm", hiddenSize) }),
    query: isReordered ? inHalfSplitOrder(query, headSize, ropeDimensions) : query,
    key: isReordered ? inHalfSplitOrder(key, headSize, ropeDimensions) : key,
    value,
    ropeDimensions,
  };
};

const ropeDimensionsOf = ({ config: { rope }, layer }: LayerReader): number =>
  rope.tables[rope.tableOf[layer] ?? -1]?.dimensions ?? 0;

/** Norm, and query, key and value from one tensor, `attn_qkv`, with RoPE's rows in halves. */
export const fusedProjection = async (reader: LayerReader): Promise<ProjectionWeights> => {
  const { hiddenSize, headSize, queryHeads, kvHeads } = reader.config;
  const [queryRows, kvRows] = [queryHeads * headSize, kvHeads * headSize];
  const fused = await reader.linear("attn_qkv", queryRows + 2 * kvRows, hiddenSize);
  return {
    norm: await reader.vector("attn_norm", hiddenSize),
    query: sliceRows(fused, 0, queryRows),
    key: sliceRows(fused, queryRows, queryRows + kvRows),
    value: sliceRows(fused, queryRows + kvRows, queryRows + 2 * kvRows),
    ropeDimensions: ropeDimensionsOf(reader),
  };
};

/** RMS norms of each head of query and key, before RoPE. */
export const headNorms = async (reader: LayerReader): Promise<Pick<ProjectionWeights, "queryNorm" | "keyNorm">> => ({
  queryNorm: await reader.vector("attn_q_norm", reader.config.headSize),
  keyNorm: await reader.vector("attn_k_norm", reader.config.headSize),
});

/** RMS norms of all heads of query together, and of key, before RoPE. */
export const projectionNorms = async (
  reader: LayerReader,
): Promise<Pick<ProjectionWeights, "queryNorm" | "keyNorm">> => {
  const { headSize, queryHeads, kvHeads } = reader.config;
  return {
    queryNorm: await reader.vector("attn_q_norm", queryHeads * headSize),
    keyNorm: await reader.vector("attn_k_norm", kvHeads * headSize),
  };
};

/** RMS norms of the outputs of attention and of the feed-forward part. */
export const normsAfter = async (
  reader: LayerReader,
): Promise<Pick<FeedForwardWeights, "outputNorm" | "loweredNorm">> => ({
  outputNorm: await reader.vector("post_attention_norm", reader.config.hiddenSize),
  loweredNorm: await reader.vector("post_ffw_norm", reader.config.hiddenSize),
});

/** Attention output, norm unless there is none, and `down(activation(gate(x)) * up(x))`. */
export const gatedFeedForward = async (
  reader: LayerReader,
  activation: Activation,
  { hasNorm = true }: Pick<ProjectionLayout, "hasNorm"> = {},
): Promise<FeedForwardWeights> => {
  const { hiddenSize, feedForwardSize, queryHeads, headSize } = reader.config;
  return {
    output: await reader.linear("attn_output", hiddenSize, queryHeads * headSize),
    ...(hasNorm && { norm: await reader.vector("ffn_norm", hiddenSize) }),
    gate: await reader.linear("ffn_gate", feedForwardSize, hiddenSize),
    up: await reader.linear("ffn_up", feedForwardSize, hiddenSize),
    down: await reader.linear("ffn_down", hiddenSize, feedForwardSize),
    activation,
  };
};

/** The same with gate and up in one tensor, `ffn_up`. */
export const fusedFeedForward = async (reader: LayerReader, activation: Activation): Promise<FeedForwardWeights> => {
  const { hiddenSize, feedForwardSize, queryHeads, headSize } = reader.config;
  const fused = await reader.linear("ffn_up", 2 * feedForwardSize, hiddenSize);
  return {
    output: await reader.linear("attn_output", hiddenSize, queryHeads * headSize),
    norm: await reader.vector("ffn_norm", hiddenSize),
    gate: sliceRows(fused, 0, feedForwardSize),
    up: sliceRows(fused, feedForwardSize, 2 * feedForwardSize),
    down: await reader.linear("ffn_down", hiddenSize, feedForwardSize),
    activation,
  };
};
