import type { NodeProto } from "onnx-buf";
import type { DecoderConfig } from "../architecture/config.ts";
import type { FeedForwardWeights, HeadWeights, ProjectionWeights } from "../architecture/weights.ts";
import { type Graph, integers, node, type Port } from "../onnx/graph.ts";
import { type Arithmetic, join, linear, type Part } from "./linear.ts";

/** Weights of one segment: those after one hole, then those before the next, or the head. */
export interface SegmentWeights {
  readonly feedForward?: FeedForwardWeights;
  readonly projection?: ProjectionWeights;
  readonly head?: HeadWeights;
  /** Whether a projection also outputs its `cosine` and `sine`, to keep them on a device. */
  readonly keepsPositions?: boolean;
}

/**
 * Graph between two attention holes. All tensors are float32 `[rows, ...]`, one row per token.
 *
 * Inputs: `hidden`, `attention` with a feed-forward part, `cosine` and `sine` with a projection. Outputs: `residual`,
 * `query`, `key`, `value`, or `logits` for the head; `kept_cosine` and `kept_sine` with `keepsPositions`.
 */
export const segmentGraph = (
  config: DecoderConfig,
  weights: SegmentWeights,
  arithmetic: Arithmetic = "float32",
): Graph => {
  const residual = weights.feedForward ? "residual" : "hidden";
  const { nodes, constants } = join([
    ...(weights.feedForward ? [feedForward(config, weights.feedForward, arithmetic)] : []),
    ...(weights.projection ? [projection(config, weights.projection, residual, arithmetic)] : []),
    ...(weights.head ? [head(config, weights.head, residual, arithmetic)] : []),
    ...(weights.keepsPositions ? [keptPositions] : []),
  ]);
  return {
    name: "segment",
    inputs: segmentInputs(config, weights),
    outputs: segmentOutputs(config, weights),
    nodes,
    constants,
  };
};

const segmentInputs = (config: DecoderConfig, { feedForward: behind, projection: front }: SegmentWeights): Port[] => [
  { name: "hidden", dims: ["rows", config.hiddenSize] },
  ...(behind ? [{ name: "attention", dims: ["rows", config.queryHeads * config.headSize] }] : []),
  ...(front ? POSITIONS.map((name) => positionPort(name, config)) : []),
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
    ...(weights.keepsPositions ? POSITIONS.map((name) => positionPort(`kept_${name}`, config)) : []),
  ];
};

const POSITIONS = ["cosine", "sine"] as const;

const positionPort = (name: string, { ropeDimensions }: DecoderConfig): Port => ({
  name,
  dims: ["rows", ropeDimensions / 2],
});

const keptPositions: Part = {
  nodes: POSITIONS.map((name) => node("Identity", [name], [`kept_${name}`])),
  constants: [],
};

const feedForward = (config: DecoderConfig, weights: FeedForwardWeights, arithmetic: Arithmetic): Part => {
  const parts = [
    linear("output", "attention", "projected", weights.output, arithmetic),
    { nodes: [node("Add", ["hidden", "projected"], ["between"])], constants: [] },
    norm("feed_norm", "between", "normed", weights.norm, config),
    linear("gate", "normed", "gated", weights.gate, arithmetic),
    linear("up", "normed", "raised", weights.up, arithmetic),
    { nodes: silu("gated", "raised", "activated"), constants: [] },
    linear("down", "activated", "lowered", weights.down, arithmetic),
    { nodes: [node("Add", ["between", "lowered"], ["residual"])], constants: [] },
  ];
  return join(parts);
};

const projection = (config: DecoderConfig, weights: ProjectionWeights, input: string, arithmetic: Arithmetic): Part =>
  join([
    norm("attention_norm", input, "attention_input", weights.norm, config),
    linear("query", "attention_input", "query_flat", weights.query, arithmetic),
    linear("key", "attention_input", "key_flat", weights.key, arithmetic),
    linear("value", "attention_input", "value", weights.value, arithmetic),
    { nodes: [], constants: [integers("batch_axis", [0])] },
    {
      nodes: POSITIONS.map((name) => node("Unsqueeze", [name, "batch_axis"], [`${name}_batch`])),
      constants: [],
    },
    ...headsOf("query", config.queryHeads, config, weights.headNorms),
    ...headsOf("key", config.kvHeads, config, weights.headNorms),
  ]);

/** Norms each head if the architecture does, then rotates it. */
const headsOf = (
  name: "query" | "key",
  heads: number,
  config: DecoderConfig,
  norms: ProjectionWeights["headNorms"],
): Part[] =>
  norms
    ? [headNorm(name, heads, norms[name], config), rope(name, `${name}_normed`, heads, config)]
    : [rope(name, `${name}_flat`, heads, config)];

const headNorm = (name: string, heads: number, weight: Float32Array, config: DecoderConfig): Part =>
  join([
    {
      nodes: [node("Reshape", [`${name}_flat`, "head_rows"], [`${name}_heads`])],
      constants: [integers("head_rows", [-1, config.headSize])],
    },
    norm(`${name}_norm`, `${name}_heads`, `${name}_normed_heads`, weight, config),
    {
      nodes: [node("Reshape", [`${name}_normed_heads`, `${name}_rows`], [`${name}_normed`])],
      constants: [integers(`${name}_rows`, [-1, heads * config.headSize])],
    },
  ]);

const head = (config: DecoderConfig, weights: HeadWeights, input: string, arithmetic: Arithmetic): Part =>
  join([
    norm("head_norm", input, "head_input", weights.norm, config),
    linear("head", "head_input", "logits", weights.output, arithmetic),
  ]);

const rope = (name: string, input: string, heads: number, config: DecoderConfig): Part => ({
  nodes: [
    node("Unsqueeze", [input, "batch_axis"], [`${name}_batch`]),
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

const silu = (gate: string, up: string, output: string): NodeProto[] => [
  node("Sigmoid", [gate], [`${gate}_sigmoid`]),
  node("Mul", [gate, `${gate}_sigmoid`], [`${gate}_silu`]),
  node("Mul", [`${gate}_silu`, up], [output]),
];
