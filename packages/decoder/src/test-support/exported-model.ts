import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema, type NodeProto } from "onnx-buf";
import { type Constant, integers, node, type Port, scalar, serializeGraph } from "../onnx/graph.ts";

/** Sizes of the exported models in tests. */
export const EXPORTED = {
  layers: 3,
  hiddenSize: 24,
  queryHeads: 4,
  kvHeads: 2,
  headSize: 32,
  vocabulary: 30,
  positions: 64,
} as const;

const { layers, hiddenSize, queryHeads, kvHeads, headSize, vocabulary, positions } = EXPORTED;
const [QUERY, KV] = [queryHeads * headSize, kvHeads * headSize];

/** Their `config.json`. */
export const exportedConfig = (): string =>
  JSON.stringify({
    model_type: "test",
    num_hidden_layers: layers,
    hidden_size: hiddenSize,
    num_attention_heads: queryHeads,
    num_key_value_heads: kvHeads,
    head_dim: headSize,
    vocab_size: vocabulary,
    max_position_embeddings: positions,
  });

/** Ways in which exporters write attention. */
export type ExportStyle =
  | "packed group query"
  | "group query with sinks"
  | "multi-head"
  | "standard"
  | "standard, four dimensions";

/**
 * A decoder as exporters write it, with random weights inside: embedding, then per layer norm, projections, attention over
 * a cache that is an input, and a product of the residuals; logits.
 */
export const exportedModel = (style: ExportStyle): ModelProto => {
  const parts = Array.from({ length: layers }, (_, layer) => layerOf(style, layer));
  const [nodes, constants] = [parts.flatMap((part) => part.nodes), parts.flatMap((part) => part.constants)];
  const caches = Array.from({ length: layers }, (_, layer) =>
    ["key", "value"].map((part) => `${layer}.${part}`),
  ).flat();
  const cache = (name: string): Port => ({ name, dims: ["batch", kvHeads, "cached", headSize] });
  const all = [
    node("Gather", ["embedding", "input_ids"], ["stream.0"]),
    ...LENGTHS,
    ...nodes,
    ...norm(`stream.${layers}`, "last"),
    node("MatMul", ["last", "head"], ["uncapped"]),
    node("Mul", ["uncapped", "half"], ["logits"]),
  ];
  const read = new Set(all.flatMap(({ input }) => input));
  const bytes = serializeGraph({
    name: "decoder",
    inputs: [
      { name: "input_ids", type: "int64", dims: ["batch", "tokens"] },
      { name: "attention_mask", type: "int64", dims: ["batch", "all"] },
      { name: "position_ids", type: "int64", dims: ["batch", "tokens"] },
      ...caches.map((name) => cache(`past_key_values.${name}`)),
    ],
    outputs: [
      { name: "logits", dims: ["batch", "tokens", vocabulary] },
      ...caches.map((name) => cache(`present.${name}`)),
    ],
    nodes: all,
    constants: [
      random("embedding", [vocabulary, hiddenSize], 1),
      random("head", [hiddenSize, vocabulary], 0.4),
      { name: "ones", dims: [hiddenSize], data: new Float32Array(hiddenSize).fill(1) },
      scalar("half", 0.5),
      scalar("unseen", -1e4),
      ...tables(),
      integers("all_tokens", [1]),
      integers("split", [0, 0, kvHeads, headSize]),
      integers("query_split", [0, 0, queryHeads, headSize]),
      integers("query_joined", [0, 0, QUERY]),
      integers("repeat_axis", [2]),
      integers("repeats", [1, 1, queryHeads / kvHeads, 1, 1]),
      integers("repeated", [0, queryHeads, -1, headSize]),
      integers("first", [0]),
      ...constants,
    ].filter(({ name }) => read.has(name)),
  });
  return fromBinary(ModelProtoSchema, bytes);
};

/** The model's file. */
export const exportedBytes = (model: ModelProto): Uint8Array =>
  toBinary(ModelProtoSchema, create(ModelProtoSchema, model));

interface LayerPart {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly Constant[];
}

/** Tokens in all, and a causal mask `[tokens, all]` by positions, as exporters compute them from the inputs. */
const LENGTHS = [
  node("ReduceSum", ["attention_mask", "all_tokens"], ["count"], { keepdims: 0 }),
  node("Sub", ["count", "all_tokens"], ["last_index"]),
  node("Cast", ["last_index"], ["last_index_32"], { to: 6 }),
  node("Shape", ["attention_mask"], ["mask_shape"]),
  node("Gather", ["mask_shape", "all_tokens"], ["total"]),
  node("Cast", ["total"], ["total_32"], { to: 6 }),
  node("CumSum", ["attention_mask", "all_tokens_scalar"], ["numbers"]),
  node("Sub", ["numbers", "all_tokens"], ["columns"]),
  node("Unsqueeze", ["columns", "first"], ["columns_row"]),
  node("Unsqueeze", ["position_ids", "repeat_axis"], ["rows_column"]),
  node("Greater", ["columns_row", "rows_column"], ["is_later"]),
  node("Cast", ["is_later"], ["later"], { to: 1 }),
  node("Mul", ["later", "unseen"], ["mask_3d"]),
  node("Unsqueeze", ["mask_3d", "all_tokens"], ["mask"]),
];

const norm = (input: string, output: string): NodeProto[] => [
  node("RMSNormalization", [input, "ones"], [output], { epsilon: { float: 1e-5 } }),
];

const layerOf = (style: ExportStyle, layer: number): LayerPart => {
  const name = (part: string): string => `${part}.${layer}`;
  return {
    nodes: [
      ...norm(name("stream"), name("normed")),
      ...ATTENTION[style](layer),
      node("MatMul", [name("mixed"), name("output")], [name("projected")]),
      node("Add", [name("stream"), name("projected")], [name("between")]),
      node("MatMul", [name("between"), name("feed")], [name("fed")]),
      node("Tanh", [name("fed")], [name("bent")]),
      node("Add", [name("between"), name("bent")], [`stream.${layer + 1}`]),
    ],
    constants: [
      random(name("qkv"), [hiddenSize, QUERY + 2 * KV], 0.3),
      random(name("q"), [hiddenSize, QUERY], 0.3),
      random(name("k"), [hiddenSize, KV], 0.3),
      random(name("v"), [hiddenSize, KV], 0.3),
      random(name("output"), [QUERY, hiddenSize], 0.2),
      random(name("feed"), [hiddenSize, hiddenSize], 0.2),
      random(name("sinks"), [queryHeads], 2),
    ],
  };
};

type WriteAttention = (layer: number) => NodeProto[];

const groupQuery = (layer: number, more: readonly string[]): NodeProto[] => [
  node("MatMul", [`normed.${layer}`, `qkv.${layer}`], [`packed.${layer}`]),
  node(
    "GroupQueryAttention",
    [
      `packed.${layer}`,
      "",
      "",
      `past_key_values.${layer}.key`,
      `past_key_values.${layer}.value`,
      "last_index_32",
      "total_32",
      "cosines",
      "sines",
      ...more,
    ],
    [`mixed.${layer}`, `present.${layer}.key`, `present.${layer}.value`],
    {
      num_heads: queryHeads,
      kv_num_heads: kvHeads,
      do_rotary: 1,
      scale: { float: 0.3 },
      softcap: { float: 2 },
      // Every second layer slides.
      local_window_size: layer % 2 === 0 ? 5 : -1,
    },
    "com.microsoft",
  ),
];

const projected = (layer: number): NodeProto[] => [
  ...["q", "k", "v"].map((part) => node("MatMul", [`normed.${layer}`, `${part}.${layer}`], [`${part}_flat.${layer}`])),
  ...["q", "k"].map((part) =>
    node(
      "RotaryEmbedding",
      [`${part}_flat.${layer}`, "position_ids", "cosines", "sines"],
      [`${part}_turned.${layer}`],
      { num_heads: part === "q" ? queryHeads : kvHeads, rotary_embedding_dim: headSize / 2 },
      "com.microsoft",
    ),
  ),
];

/** Appends new keys or values to the cache: `[batch, heads, tokens, size]`. */
const appended = (layer: number, part: "key" | "value", flat: string): NodeProto[] => [
  node("Reshape", [flat, "split"], [`${part}_split.${layer}`]),
  node("Transpose", [`${part}_split.${layer}`], [`${part}_new.${layer}`], { perm: [0, 2, 1, 3] }),
  node("Concat", [`past_key_values.${layer}.${part}`, `${part}_new.${layer}`], [`present.${layer}.${part}`], {
    axis: 2,
  }),
];

/** Repeats each head of the cache for its query heads: `[batch, tokens, query heads * size]`. */
const repeated = (layer: number, part: "key" | "value"): NodeProto[] => [
  node("Unsqueeze", [`present.${layer}.${part}`, "repeat_axis"], [`${part}_grouped.${layer}`]),
  node("Tile", [`${part}_grouped.${layer}`, "repeats"], [`${part}_tiled.${layer}`]),
  node("Reshape", [`${part}_tiled.${layer}`, "repeated"], [`${part}_heads.${layer}`]),
  node("Transpose", [`${part}_heads.${layer}`], [`${part}_rows.${layer}`], { perm: [0, 2, 1, 3] }),
  node("Reshape", [`${part}_rows.${layer}`, "query_joined"], [`${part}_all.${layer}`]),
];

const multiHead: WriteAttention = (layer) => [
  ...projected(layer),
  ...appended(layer, "key", `k_turned.${layer}`),
  ...appended(layer, "value", `v_flat.${layer}`),
  ...repeated(layer, "key"),
  ...repeated(layer, "value"),
  node(
    "MultiHeadAttention",
    [`q_turned.${layer}`, `key_all.${layer}`, `value_all.${layer}`, "", "", "mask"],
    [`mixed.${layer}`],
    { num_heads: queryHeads, scale: { float: 0.3 } },
    "com.microsoft",
  ),
];

const standard: WriteAttention = (layer) => [
  ...projected(layer),
  node(
    "Attention",
    [
      `q_turned.${layer}`,
      `k_turned.${layer}`,
      `v_flat.${layer}`,
      "mask",
      `past_key_values.${layer}.key`,
      `past_key_values.${layer}.value`,
    ],
    [`mixed.${layer}`, `present.${layer}.key`, `present.${layer}.value`],
    { q_num_heads: queryHeads, kv_num_heads: kvHeads, scale: { float: 0.3 } },
  ),
];

const standardByHead: WriteAttention = (layer) => [
  ...projected(layer),
  ...appended(layer, "key", `k_turned.${layer}`),
  ...appended(layer, "value", `v_flat.${layer}`),
  node("Reshape", [`q_turned.${layer}`, "query_split"], [`q_split.${layer}`]),
  node("Transpose", [`q_split.${layer}`], [`q_heads.${layer}`], { perm: [0, 2, 1, 3] }),
  node(
    "Attention",
    [`q_heads.${layer}`, `present.${layer}.key`, `present.${layer}.value`, "mask"],
    [`mixed_heads.${layer}`],
    { scale: { float: 0.3 } },
  ),
  node("Transpose", [`mixed_heads.${layer}`], [`mixed_rows.${layer}`], { perm: [0, 2, 1, 3] }),
  node("Reshape", [`mixed_rows.${layer}`, "query_joined"], [`mixed.${layer}`]),
];

const ATTENTION: Readonly<Record<ExportStyle, WriteAttention>> = {
  "packed group query": (layer) => groupQuery(layer, []),
  "group query with sinks": (layer) => groupQuery(layer, ["", "", `sinks.${layer}`]),
  "multi-head": multiHead,
  standard,
  "standard, four dimensions": standardByHead,
};

/** Rotates the leading half of each head. */
const tables = (): Constant[] => {
  const half = headSize / 4;
  const angles = Array.from(
    { length: positions * half },
    (_, index) => Math.floor(index / half) / 10 ** (index % half),
  );
  const table = (name: string, of: (angle: number) => number): Constant => ({
    name,
    dims: [positions, half],
    data: Float32Array.from(angles, of),
  });
  return [
    table("cosines", Math.cos),
    table("sines", Math.sin),
    { name: "all_tokens_scalar", dims: [], data: BigInt64Array.of(1n) },
  ];
};

/** Numbers that only depend on the name. */
const random = (name: string, dims: readonly number[], scale: number): Constant => {
  let state = Array.from(name).reduce(
    (hash, letter) => Math.imul(hash ^ letter.codePointAt(0)!, 16_777_619) >>> 0,
    2_166_136_261,
  );
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  };
  return { name, dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, next) };
};
