import type { NodeProto } from "onnx-buf";
import type { DecoderConfig } from "../architecture/config.ts";
import type { FeedForwardWeights, HeadWeights, Linear, ProjectionWeights } from "../architecture/weights.ts";
import { type Constant, type Graph, integers, node, type Port } from "../onnx/graph.ts";

/** Nodes and constants of a part of a graph. */
interface Part {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly Constant[];
}

/** Weights of one segment: what stands behind a hole, then what stands in front of the next, or the head. */
export interface SegmentWeights {
  readonly feedForward?: FeedForwardWeights;
  readonly projection?: ProjectionWeights;
  readonly head?: HeadWeights;
}

/**
 * Graph between two attention holes. All tensors are float32 and row-wise: `[rows, ...]`, one row a token.
 *
 * Inputs: `hidden`, and `attention` when there is a feed-forward part, `cosine` and `sine` when there is a projection.
 * Outputs: `residual`, `query`, `key`, `value`, or `logits` for the head.
 */
export const segmentGraph = (config: DecoderConfig, weights: SegmentWeights): Graph => {
  const residual = weights.feedForward ? "residual" : "hidden";
  const parts = [
    ...(weights.feedForward ? [feedForward(config, weights.feedForward)] : []),
    ...(weights.projection ? [projection(config, weights.projection, residual)] : []),
    ...(weights.head ? [head(config, weights.head, residual)] : []),
  ];
  return {
    name: "segment",
    inputs: segmentInputs(config, weights),
    outputs: segmentOutputs(config, weights),
    nodes: parts.flatMap((part) => part.nodes),
    constants: parts.flatMap((part) => part.constants),
  };
};

const segmentInputs = (config: DecoderConfig, { feedForward: behind, projection: front }: SegmentWeights): Port[] => [
  { name: "hidden", dims: ["rows", config.hiddenSize] },
  ...(behind ? [{ name: "attention", dims: ["rows", config.queryHeads * config.headSize] }] : []),
  ...(front ? ["cosine", "sine"].map((name) => ({ name, dims: ["rows", config.ropeDimensions / 2] })) : []),
];

const segmentOutputs = (config: DecoderConfig, weights: SegmentWeights): Port[] => {
  const { hiddenSize, queryHeads, kvHeads, headSize } = config;
  if (weights.head) return [{ name: "logits", dims: ["rows", weights.head.output.rows] }];
  const residual = weights.feedForward ? [{ name: "residual", dims: ["rows", hiddenSize] }] : [];
  if (!weights.projection) return residual;
  return [
    ...residual,
    { name: "query", dims: ["rows", queryHeads * headSize] },
    { name: "key", dims: ["rows", kvHeads * headSize] },
    { name: "value", dims: ["rows", kvHeads * headSize] },
  ];
};

const feedForward = (config: DecoderConfig, weights: FeedForwardWeights): Part => {
  const parts = [
    linear("output", "attention", "projected", weights.output),
    { nodes: [node("Add", ["hidden", "projected"], ["between"])], constants: [] },
    norm("feed_norm", "between", "normed", weights.norm, config),
    linear("gate", "normed", "gated", weights.gate),
    linear("up", "normed", "raised", weights.up),
    { nodes: silu("gated", "raised", "activated"), constants: [] },
    linear("down", "activated", "lowered", weights.down),
    { nodes: [node("Add", ["between", "lowered"], ["residual"])], constants: [] },
  ];
  return join(parts);
};

const projection = (config: DecoderConfig, weights: ProjectionWeights, input: string): Part =>
  join([
    norm("attention_norm", input, "attention_input", weights.norm, config),
    linear("query", "attention_input", "query_flat", weights.query),
    linear("key", "attention_input", "key_flat", weights.key),
    linear("value", "attention_input", "value", weights.value),
    { nodes: [], constants: [integers("batch_axis", [0])] },
    {
      nodes: ["cosine", "sine"].map((name) => node("Unsqueeze", [name, "batch_axis"], [`${name}_batch`])),
      constants: [],
    },
    rope("query", config.queryHeads, config),
    rope("key", config.kvHeads, config),
  ]);

const head = (config: DecoderConfig, weights: HeadWeights, input: string): Part =>
  join([
    norm("head_norm", input, "head_input", weights.norm, config),
    linear("head", "head_input", "logits", weights.output),
  ]);

const rope = (name: string, heads: number, config: DecoderConfig): Part => ({
  nodes: [
    node("Unsqueeze", [`${name}_flat`, "batch_axis"], [`${name}_batch`]),
    node("RotaryEmbedding", [`${name}_batch`, "cosine_batch", "sine_batch"], [`${name}_turned`], {
      num_heads: heads,
      ...(config.ropeDimensions < config.headSize && { rotary_embedding_dim: config.ropeDimensions }),
    }),
    node("Squeeze", [`${name}_turned`, "batch_axis"], [name]),
  ],
  constants: [],
});

const norm = (name: string, input: string, output: string, weight: Float32Array, config: DecoderConfig): Part => ({
  nodes: [node("RMSNormalization", [input, `${name}_weight`], [output], { epsilon: { float: config.normEpsilon } })],
  constants: [{ name: `${name}_weight`, dims: [weight.length], data: weight }],
});

const linear = (name: string, input: string, output: string, { rows, columns, weight, bias }: Linear): Part => ({
  nodes: [node("Gemm", [input, `${name}_weight`, ...(bias ? [`${name}_bias`] : [])], [output], { transB: 1 })],
  constants: [
    { name: `${name}_weight`, dims: [rows, columns], data: weight },
    ...(bias ? [{ name: `${name}_bias`, dims: [rows], data: bias }] : []),
  ],
});

const silu = (gate: string, up: string, output: string): NodeProto[] => [
  node("Sigmoid", [gate], [`${gate}_sigmoid`]),
  node("Mul", [gate, `${gate}_sigmoid`], [`${gate}_silu`]),
  node("Mul", [`${gate}_silu`, up], [output]),
];

const join = (parts: readonly Part[]): Part => ({
  nodes: parts.flatMap((part) => part.nodes),
  constants: parts.flatMap((part) => part.constants),
});
