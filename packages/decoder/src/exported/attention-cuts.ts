import { type AttentionSpec, defaultScale, plainAttention } from "@kvtuner/plan";
import type { NodeProto } from "onnx-buf";
import { floatOf, integerOf } from "../onnx/attributes.ts";
import { inlineNumbers } from "../onnx/inline-numbers.ts";
import { uncuttable } from "./export-error.ts";
import { type GraphIndex } from "./graph-index.ts";

/** Heads of a model, as its configuration says. */
export interface ExportedHeads {
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** A tensor with the query, key or value of new tokens. */
export interface HoleSource {
  readonly tensor: string;
  /** `rows`: `[batch, tokens, heads * size]`; `heads`: `[batch, heads, tokens, size]`. */
  readonly layout: "rows" | "heads";
  /** Numbers of each row before this part, for a tensor that holds query, key and value. */
  readonly offset?: number;
  readonly heads: number;
  /** Constants of the RoPE that the operator applies. */
  readonly rope?: OperatorRope;
}

/** RoPE inside an attention operator: tables `[positions, dimensions / 2]`. */
export interface OperatorRope {
  readonly cosine: string;
  readonly sine: string;
  readonly interleaved: boolean;
}

/** One attention operator, and the tensors around it. */
export interface AttentionCut {
  readonly node: NodeProto;
  readonly query: HoleSource;
  readonly key: HoleSource;
  readonly value: HoleSource;
  /** What the operator makes, in a layout as of {@link HoleSource}. */
  readonly output: { readonly tensor: string; readonly layout: "rows" | "heads" };
  readonly attention: AttentionSpec;
}

type ReadCut = (index: GraphIndex, node: NodeProto, heads: ExportedHeads) => AttentionCut;

/**
 * Finds the attention operators of a decoder, in the order of its layers.
 *
 * @throws ExportError `EXPORT_UNSUPPORTED`
 */
export const attentionCuts = (index: GraphIndex, heads: ExportedHeads): AttentionCut[] => {
  const cuts = index.graph.node.flatMap((node) => {
    const read = Object.hasOwn(OPERATORS, node.opType) ? OPERATORS[node.opType] : undefined;
    return read ? [read(index, node, heads)] : [];
  });
  if (cuts.length > 0) return cuts;
  throw uncuttable(`a graph with one of ${Object.keys(OPERATORS).join(", ")} in each layer`, "none of them");
};

const groupQueryAttention: ReadCut = (index, node, { queryHeads, kvHeads, headSize }) => {
  const [query = "", key = "", value = "", , , , , cosine = "", sine = "", , bias = "", sinks = ""] = node.input;
  assertNone(node, "attention_bias", bias);
  const heads = { query: integerOf(node, "num_heads"), kv: integerOf(node, "kv_num_heads") };
  if (heads.query !== queryHeads || heads.kv !== kvHeads) throw otherHeads(node, [queryHeads, kvHeads], heads);
  const rope =
    integerOf(node, "do_rotary") === 1
      ? { rope: ropeOf(index, cosine, sine, integerOf(node, "rotary_interleaved") === 1) }
      : {};
  const isPacked = key === "";
  const part = (tensor: string, count: number, offset: number): HoleSource => ({
    tensor: isPacked ? query : tensor,
    layout: "rows",
    heads: count,
    ...(isPacked && { offset: offset * headSize }),
  });
  const span = integerOf(node, "local_window_size", -1);
  return {
    node,
    query: { ...part(query, queryHeads, 0), ...rope },
    key: { ...part(key, kvHeads, queryHeads), ...rope },
    value: part(value, kvHeads, queryHeads + kvHeads),
    output: { tensor: node.output[0]!, layout: "rows" },
    attention: {
      ...spec(node, headSize, span > 0 ? span : undefined),
      ...sinkLogitsOf(index, node, sinks, queryHeads),
    },
  };
};

/** An extra score of each head, without a value; 0 with a smooth softmax. */
const sinkLogitsOf = (
  index: GraphIndex,
  node: NodeProto,
  sinks: string,
  queryHeads: number,
): Pick<AttentionSpec, "sinkLogits"> => {
  if (sinks === "")
    return integerOf(node, "smooth_softmax") === 1 ? { sinkLogits: Array.from({ length: queryHeads }, () => 0) } : {};
  const constant = index.constant(sinks);
  const sinkLogits = constant && inlineNumbers(constant);
  if (sinkLogits?.length === queryHeads) return { sinkLogits };
  throw uncuttable(`head_sink of ${node.name} as ${queryHeads} numbers inside the ONNX file`, sinks);
};

const multiHeadAttention: ReadCut = (index, node, { queryHeads, kvHeads, headSize }) => {
  const [query = "", key = "", value = "", bias = "", padding = ""] = node.input;
  assertNone(node, "bias", bias);
  assertNone(node, "key_padding_mask", padding);
  if (integerOf(node, "num_heads") !== queryHeads)
    throw otherHeads(node, [queryHeads, queryHeads], { query: integerOf(node, "num_heads"), kv: queryHeads });
  return {
    node,
    query: { tensor: query, layout: "rows", heads: queryHeads },
    key: freshSource(index, key, kvHeads),
    value: freshSource(index, value, kvHeads),
    output: { tensor: node.output[0]!, layout: "rows" },
    attention: spec(node, headSize),
  };
};

/** The standard operator: three dimensions with the numbers of heads as attributes, or four. */
const standardAttention: ReadCut = (index, node, { queryHeads, kvHeads, headSize }) => {
  const [query = "", key = "", value = ""] = node.input;
  const layout = integerOf(node, "q_num_heads") > 0 ? "rows" : "heads";
  const source = (tensor: string): HoleSource => {
    const fresh = freshSource(index, tensor, kvHeads);
    return fresh.tensor === tensor ? { ...fresh, layout } : fresh;
  };
  return {
    node,
    query: { tensor: query, layout, heads: queryHeads },
    key: source(key),
    value: source(value),
    output: { tensor: node.output[0]!, layout },
    attention: spec(node, headSize),
  };
};

const OPERATORS: Readonly<Record<string, ReadCut>> = {
  GroupQueryAttention: groupQueryAttention,
  MultiHeadAttention: multiHeadAttention,
  Attention: standardAttention,
};

const spec = (node: NodeProto, headSize: number, span?: number): AttentionSpec => {
  const softcap = floatOf(node, "softcap");
  return {
    ...plainAttention(headSize),
    scale: scaleOf(floatOf(node, "scale"), headSize),
    ...(softcap > 0 && { softcap }),
    ...(span !== undefined && { mask: { kind: "sliding", span } }),
  };
};

/** The usual factor, which attributes round to float32, stays exact. 0 means the usual one. */
const scaleOf = (scale: number, headSize: number): number =>
  scale === 0 || scale === Math.fround(defaultScale(headSize)) ? defaultScale(headSize) : scale;

const ropeOf = (index: GraphIndex, cosine: string, sine: string, interleaved: boolean): OperatorRope => {
  if (index.constant(cosine) && index.constant(sine)) return { cosine, sine, interleaved };
  throw uncuttable("constant tables of cosines and sines", `those of ${index.producer(cosine)?.opType ?? "an input"}`);
};

/**
 * The new tokens' part of keys or values that an operator reads: itself, or what a graph appends to its cache, however it
 * then repeats heads.
 */
const freshSource = (index: GraphIndex, tensor: string, heads: number): HoleSource => {
  const visited = new Set<string>();
  let at = tensor;
  while (!visited.has(at)) {
    visited.add(at);
    const node = index.producer(at);
    const fresh = node?.opType === "Concat" ? appended(index, node) : undefined;
    if (fresh !== undefined) return { tensor: fresh, layout: "heads", heads };
    if (!node || !REPEATS.has(node.opType)) break;
    at = node.input[0]!;
  }
  return { tensor, layout: "rows", heads };
};

/** Operators that repeat the heads of a cache, and those between. */
const REPEATS = new Set(["Reshape", "Expand", "Unsqueeze", "Transpose", "Tile", "Cast"]);

/** What a node appends to an input of the graph. */
const appended = (index: GraphIndex, { input }: NodeProto): string | undefined =>
  input.length === 2 && index.inputDims(input[0]!) ? input[1] : undefined;

const assertNone = (node: NodeProto, name: string, tensor: string): void => {
  if (tensor !== "") throw uncuttable(`${node.opType} without ${name}`, tensor);
};

const otherHeads = (node: NodeProto, [query, kv]: number[], got: { query: number; kv: number }): Error =>
  uncuttable(`${query} query and ${kv} KV heads in ${node.name} as in the configuration`, `${got.query} and ${got.kv}`);
