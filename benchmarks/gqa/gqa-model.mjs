import { onnxModel } from "./onnx-model.mjs";

const PER_CHANNEL = { k_quant_type: "PER_CHANNEL", v_quant_type: "PER_CHANNEL" };

/** How GroupQueryAttention stores keys and values: its cache's element type, and its attributes. */
export const CACHE_KINDS = {
  float32: { type: "float32", bits: 32, attributes: {} },
  int8: { type: "int8", bits: 8, attributes: { ...PER_CHANNEL, kv_cache_bit_width: 8 } },
  int4: { type: "uint8", bits: 4, attributes: { ...PER_CHANNEL, kv_cache_bit_width: 4 } },
};

/** Channels of a head as stored: two per byte at 4 bits. */
export const storedChannels = (kind, headSize) => (CACHE_KINDS[kind].bits === 4 ? headSize / 2 : headSize);

/** One GroupQueryAttention on one token, with a cache of `capacity` tokens. */
export const gqaModel = (kind, { queryHeads, kvHeads, headSize }, capacity) => {
  const { type, attributes } = CACHE_KINDS[kind];
  const cache = { type, dims: [1, kvHeads, capacity, storedChannels(kind, headSize)] };
  const scale = (name) => ({ name, type: "float32", dims: [1, kvHeads, 1, headSize] });
  const scales = kind === "float32" ? [] : ["k_scale", "v_scale"].map(scale);
  return attentionModel({ queryHeads, kvHeads, headSize, rowType: "float32", cache, scales, attributes });
};

/** One GroupQueryAttention on one token of each sequence of the batch, with rows and cache of the given types and sizes. */
export const attentionModel = ({ queryHeads, kvHeads, headSize, rowType, cache, scales = [], attributes = {} }) => {
  const [batch] = cache.dims;
  const row = (name, heads) => ({ name, type: rowType, dims: [batch, 1, heads * headSize] });
  const inputs = [
    row("query", queryHeads),
    row("key", kvHeads),
    row("value", kvHeads),
    { name: "past_key", ...cache },
    { name: "past_value", ...cache },
    { name: "seqlens_k", type: "int32", dims: [batch] },
    { name: "total_sequence_length", type: "int32", dims: [] },
  ];
  const outputs = [row("output", queryHeads), { name: "present_key", ...cache }, { name: "present_value", ...cache }];
  const unused = scales.length > 0 ? ["", "", "", "", ""] : [];
  const attention = {
    type: "GroupQueryAttention",
    domain: "com.microsoft",
    inputs: [...inputs, ...unused, ...scales].map((input) => input.name ?? input),
    outputs: outputs.map(({ name }) => name),
    attributes: { num_heads: queryHeads, kv_num_heads: kvHeads, ...attributes },
  };
  return onnxModel({ nodes: [attention], inputs: [...inputs, ...scales], outputs });
};
