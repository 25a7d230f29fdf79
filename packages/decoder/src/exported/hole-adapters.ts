import { type NodeProto, TensorProto_DataType as DataType } from "onnx-buf";
import { type Constant, integers, node } from "../onnx/graph.ts";
import type { AttentionCut, ExportedHeads, HoleSource } from "./attention-cuts.ts";
import type { GraphIndex } from "./graph-index.ts";

/** Element types of activations that can be cut. */
export type ActivationType = DataType.FLOAT | DataType.FLOAT16;

/** The axis of the batch, which segments do not have. */
const BATCH_AXIS = integers("kvtuner_batch_axis", [0]);

/** Adapters name a list of integers by its entries, so that no two of them differ under one name. */
const LIST = "kvtuner_list_";

const listName = (...entries: number[]): string => `${LIST}${entries.join("_")}`;

/** The constants that adapters read, among the names that nodes read. */
export const adapterConstants = (names: Iterable<string>): Constant[] =>
  [...names].flatMap((name) => {
    if (name === BATCH_AXIS.name) return [BATCH_AXIS];
    return name.startsWith(LIST) ? [integers(name, name.slice(LIST.length).split("_").map(Number))] : [];
  });

/** Adds a batch of one. */
export const batched = (input: string, output: string): NodeProto =>
  node("Unsqueeze", [input, BATCH_AXIS.name], [output]);

/** `[rows, width]` in float32 to `[1, rows, width]` in the graph's type. */
export const entrance = (input: string, output: string, elementType: ActivationType): NodeProto[] => [
  node("Cast", [input], [`${input}_cast`], { to: elementType }),
  batched(`${input}_cast`, output),
];

/** The input `attention` in the layout of the operator whose output it replaces. */
export const attentionEntrance = (
  { output }: AttentionCut,
  { queryHeads, headSize }: ExportedHeads,
  elementType: ActivationType,
): NodeProto[] => {
  if (output.layout === "rows") return entrance("attention", output.tensor, elementType);
  return [
    ...entrance("attention", "attention_rows", elementType),
    node("Reshape", ["attention_rows", listName(1, -1, queryHeads, headSize)], ["attention_heads"]),
    node("Transpose", ["attention_heads"], [output.tensor], { perm: [0, 2, 1, 3] }),
  ];
};

/** `[1, rows, width]` to `[rows, width]` in float32. */
export const exit = (output: string, tensor: string, width: number): NodeProto[] => [
  node("Reshape", [tensor, listName(-1, width)], [`${output}_rows`]),
  node("Cast", [`${output}_rows`], [output], { to: DataType.FLOAT }),
];

/** The output `name` of a segment from its source: its rows, rotated if the operator did so. */
export const holeExit = (
  name: "query" | "key" | "value",
  source: HoleSource,
  headSize: number,
  index: GraphIndex,
): NodeProto[] => {
  const width = source.heads * headSize;
  const rows = `${name}_source`;
  const turned = source.rope ? `${name}_turned` : rows;
  return [
    ...rowsOf(source, rows, headSize),
    ...(source.rope ? [rotated(index, source, rows, turned, headSize)] : []),
    ...exit(name, turned, width),
  ];
};

/** Brings a source into `[1, rows, width]`. */
const rowsOf = ({ tensor, layout, offset, heads }: HoleSource, output: string, headSize: number): NodeProto[] => {
  if (layout === "heads")
    return [
      node("Transpose", [tensor], [`${output}_heads`], { perm: [0, 2, 1, 3] }),
      node("Reshape", [`${output}_heads`, listName(1, -1, heads * headSize)], [output]),
    ];
  if (offset === undefined) return [node("Identity", [tensor], [output])];
  return [node("Slice", [tensor, listName(offset), listName(offset + heads * headSize), listName(2)], [output])];
};

const rotated = (
  index: GraphIndex,
  { rope, heads }: HoleSource,
  input: string,
  output: string,
  headSize: number,
): NodeProto => {
  const { cosine, sine, interleaved } = rope!;
  const dimensions = 2 * Number(index.constant(cosine)!.dims[1]);
  return node(
    "RotaryEmbedding",
    [input, BATCHED_POSITIONS, cosine, sine],
    [output],
    {
      interleaved: interleaved ? 1 : 0,
      ...(dimensions < headSize && { num_heads: heads, rotary_embedding_dim: dimensions }),
    },
    "com.microsoft",
  );
};

/** `[1, rows, vocabulary]` in the graph's type to `[rows, vocabulary]` in float32. */
export const logitsExit = (tensor: string): NodeProto[] => [
  node("Squeeze", [tensor, BATCH_AXIS.name], ["kvtuner_logits_rows"]),
  node("Cast", ["kvtuner_logits_rows"], ["logits"], { to: DataType.FLOAT }),
];

/** Positions with a batch. */
export const BATCHED_POSITIONS = "kvtuner_positions";
