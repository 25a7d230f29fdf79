import { type ModelProto, type NodeProto, TensorProto_DataType as DataType } from "onnx-buf";
import type { AttentionCut, ExportedHeads } from "./attention-cuts.ts";
import { uncuttable } from "./export-error.ts";
import { type GraphIndex, graphIndex, IDS, POSITIONS } from "./graph-index.ts";
import type { ActivationType } from "./hole-adapters.ts";
import {
  type ExportedSegment,
  type HeadPart,
  headModel,
  readsPositions,
  segmentModel,
  type SegmentPart,
} from "./segment-model.ts";

/**
 * The segments of an exported decoder: one before each hole, one after the last, up to the final residuals, and the head.
 * Their ports are those of `segmentGraph`, but the first takes `ids`, and those with RoPE take `position_ids`, both int64
 * `[rows]`. Weights in files stay there.
 */
export interface CutModel {
  readonly segments: readonly ExportedSegment[];
  /** Whether each segment has an input `position_ids`. */
  readonly readsPositions: readonly boolean[];
}

/**
 * Cuts a decoder's graph at its attention, from its end to its start: each segment has the nodes that the next one's
 * residuals and its own hole depend on.
 *
 * @param cuts as `attentionCuts` finds them
 * @throws ExportError `EXPORT_UNSUPPORTED` when anything but one tensor of residuals passes an attention operator
 */
export const cutGraph = (
  model: ModelProto,
  cuts: readonly AttentionCut[],
  heads: ExportedHeads,
  hiddenSize: number,
): CutModel => {
  const index = graphIndex(model.graph!);
  const levels = levelsOf(index, cuts);
  const head = headOf(index);
  const parts: SegmentPart[] = [];
  let residual: string | undefined = head.hidden;
  for (let level = cuts.length; level >= 0; level--) {
    const [before, after] = [cuts[level - 1], cuts[level]];
    const wanted = [...(residual === undefined ? [] : [residual]), ...(after ? holeTensors(after) : [])];
    const part = collect({ index, levels, attention: before?.output.tensor }, wanted, level);
    parts.unshift({ ...part, residual, before, after });
    residual = part.entering;
  }
  const common = { model, index, heads, hiddenSize, elementType: elementTypeOf(index) };
  return {
    segments: [...parts.map((part) => segmentModel(common, part)), headModel(common, head)],
    readsPositions: [...parts.map(readsPositions), false],
  };
};

const holeTensors = ({ query, key, value }: AttentionCut): string[] => [query, key, value].map(({ tensor }) => tensor);

/** Tensors that do not depend on tokens are at no level: any segment may compute them again. */
const NO_LEVEL = -1;

/** The number of attention operators before each tensor that depends on tokens. */
const levelsOf = ({ graph }: GraphIndex, cuts: readonly AttentionCut[]): Map<string, number> => {
  const levels = new Map<string, number>([[IDS, 0]]);
  const operators = new Map(cuts.map(({ node: operator }, layer) => [operator, layer] as const));
  for (const operation of graph.node) {
    const layer = operators.get(operation);
    const own = operation.input.reduce((most, tensor) => Math.max(most, levels.get(tensor) ?? NO_LEVEL), NO_LEVEL);
    for (const tensor of operation.output) levels.set(tensor, layer === undefined ? own : layer + 1);
  }
  return levels;
};

/** The caches' element type is that of keys and values, and so of all activations. */
const elementTypeOf = (index: GraphIndex): ActivationType => {
  const cache = index.graph.input.find(({ name }) => name.includes("past_key") || name.includes("key_values"));
  const type = cache && index.inputType(cache.name);
  if (type === DataType.FLOAT || type === DataType.FLOAT16) return type;
  throw uncuttable(
    "inputs past_key_values.N.key in float32 or float16",
    cache ? `element type ${DataType[type ?? 0]}` : "no such inputs",
  );
};

/** Where the walk from a segment's outputs back to its inputs ends. */
interface Bounds {
  readonly index: GraphIndex;
  readonly levels: ReadonlyMap<string, number>;
  /** Output of the attention before the segment. */
  readonly attention: string | undefined;
}

/** All nodes of a level that the wanted tensors depend on. */
const collect = (
  { index, levels, attention }: Bounds,
  wanted: readonly string[],
  level: number,
): Pick<SegmentPart, "nodes" | "inputs" | "entering"> => {
  const nodes = new Set<NodeProto>();
  const inputs = new Set<string>();
  const entering = new Set<string>();
  const visit = (tensor: string): void => {
    if (tensor === "" || tensor === attention || index.constant(tensor)) return;
    const own = levels.get(tensor) ?? NO_LEVEL;
    if (own !== NO_LEVEL && own < level) return void entering.add(tensor);
    const maker = index.producer(tensor);
    if (!maker) return void inputs.add(tensor);
    if (nodes.has(maker)) return;
    nodes.add(maker);
    maker.input.forEach(visit);
  };
  wanted.forEach(visit);
  assertInputs(inputs, level);
  assertOneCrosses([...entering], level);
  return { nodes: index.graph.node.filter((one) => nodes.has(one)), inputs, entering: [...entering][0] };
};

const assertInputs = (inputs: ReadonlySet<string>, level: number): void => {
  const allowed = level === 0 ? [IDS, POSITIONS] : [POSITIONS];
  for (const name of inputs)
    if (!allowed.includes(name))
      throw uncuttable(`layers that read no input of the graph but ${allowed.join(" and ")}`, name);
};

const assertOneCrosses = (tensors: readonly string[], level: number): void => {
  if (tensors.length === (level === 0 ? 0 : 1)) return;
  throw uncuttable("one tensor of residuals that passes each layer's attention", tensors.join(", ") || "none");
};

const PRODUCTS = new Set(["MatMul", "Gemm", "MatMulNBits", "FusedMatMul"]);

/** The last product before the logits, and what follows it. */
const headOf = (index: GraphIndex): HeadPart => {
  const logits = index.graph.output.find(({ name }) => name.includes("logits"))?.name;
  if (logits === undefined) throw uncuttable("an output logits", "none");
  let product = index.producer(logits);
  while (product && !PRODUCTS.has(product.opType)) product = index.producer(product.input[0] ?? "");
  if (!product) throw uncuttable(`logits from one of ${[...PRODUCTS].join(", ")}`, "another operator");
  const hidden = product.input[0]!;
  return { hidden, nodes: nodesBetween(index, hidden, logits), logits };
};

const nodesBetween = (index: GraphIndex, from: string, to: string): NodeProto[] => {
  const nodes = new Set<NodeProto>();
  const visit = (tensor: string): void => {
    const maker = tensor === from ? undefined : index.producer(tensor);
    if (!maker || nodes.has(maker)) return;
    nodes.add(maker);
    maker.input.forEach(visit);
  };
  visit(to);
  return index.graph.node.filter((one) => nodes.has(one));
};
