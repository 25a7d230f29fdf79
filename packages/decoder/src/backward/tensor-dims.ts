import type { NodeProto } from "onnx-buf";
import { integerOf, integersOf } from "../onnx/attributes.ts";
import { unsupported } from "./backward-error.ts";
import { type ConstantIntegers, type Dims, portOf } from "./graph-parts.ts";

/** An unknown size, which is taken not to be 1. */
const UNKNOWN = "?";

/** What is known of a graph's tensors so far. */
interface Known {
  readonly dims: ReadonlyMap<string, Dims>;
  readonly integers: ConstantIntegers;
  /** Numbers of joined vectors of integers, as far as they are constant. */
  readonly joined: ReadonlyMap<string, Dims>;
}

/**
 * Adds the dimensions of the outputs of nodes, in the order of the graph, to those of inputs and constants. Skips tensors of which
 * not even the rank is known.
 *
 * @throws BackwardError `BACKWARD_UNSUPPORTED` names an operator whose sizes are not known here
 */
export const tensorDims = (
  nodes: readonly NodeProto[],
  given: ReadonlyMap<string, Dims>,
  integers: ConstantIntegers,
): ReadonlyMap<string, Dims> => {
  const dims = new Map(given);
  const joined = new Map<string, Dims>();
  const known = { dims, integers, joined };
  for (const node of nodes) {
    if (node.opType === "If") {
      for (const [index, { dims: sizes }] of node.attribute[0]!.g!.output.map(portOf).entries())
        dims.set(node.output[index]!, sizes);
      continue;
    }
    const outputDims = DIMS[node.opType];
    if (!outputDims) throw unsupported(`the operator ${node.opType}`);
    const found = outputDims(node, known);
    for (const output of node.output) if (found) dims.set(output, found);
    const past = WITH_STATE.has(node.opType) ? dimsOf(node, known, 3) : undefined;
    if (past) dims.set(node.output[1]!, past);
    if (node.opType === "Concat" && found?.length === 1) joined.set(node.output[0]!, joinedNumbers(node, known));
  }
  return dims;
};

const joinedNumbers = ({ input }: NodeProto, { dims, integers }: Known): Dims =>
  input.flatMap((name): Dims => {
    const [size] = dims.get(name)!;
    return integers(name) ?? (typeof size === "number" ? Array.from({ length: size }, () => UNKNOWN) : [UNKNOWN]);
  });

/** The second output of these operators has the dimensions of the past state. */
const WITH_STATE: ReadonlySet<string> = new Set(["CausalConvWithState", "LinearAttention"]);

/** Dimensions of a node's outputs. */
type OutputDims = (node: NodeProto, known: Known) => Dims | undefined;

const dimsOf = ({ input }: NodeProto, { dims }: Known, index: number): Dims | undefined => dims.get(input[index] ?? "");

const sameAsFirst: OutputDims = (node, known) => dimsOf(node, known, 0);

const broadcast: OutputDims = (node, known) => {
  const all = node.input.map((_, index) => dimsOf(node, known, index));
  if (all.includes(undefined)) return undefined;
  const rank = Math.max(...all.map((dims) => dims!.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = all.map((dims) => dims![axis - rank + dims!.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
};

const gemm: OutputDims = (node, known) => {
  const [left, right] = [dimsOf(node, known, 0), dimsOf(node, known, 1)];
  const isTransposed = integerOf(node, "transB", 0) === 1;
  return left && right && [left[0]!, right[isTransposed ? 0 : 1]!];
};

const matMul: OutputDims = (node, known) => {
  const [left, right] = [dimsOf(node, known, 0), dimsOf(node, known, 1)];
  if (!left || !right) return undefined;
  const batch = left.length >= right.length ? left.slice(0, -2) : right.slice(0, -2);
  return [...batch, left.at(-2)!, right.at(-1)!];
};

const matMulNBits: OutputDims = (node, known) => {
  const left = dimsOf(node, known, 0);
  return left && [...left.slice(0, -1), integerOf(node, "N", 0)];
};

const reshape: OutputDims = (node, known) => {
  const rank = dimsOf(node, known, 1)?.[0];
  if (typeof rank !== "number") return undefined;
  const sizes = known.integers(node.input[1]!) ?? known.joined.get(node.input[1]!) ?? [];
  return Array.from({ length: rank }, (_, axis) => (Number(sizes[axis]) > 0 ? sizes[axis]! : UNKNOWN));
};

const unsqueeze: OutputDims = (node, known) => {
  const dims = dimsOf(node, known, 0);
  const axes = known.integers(node.input[1]!);
  if (!dims || !axes) return undefined;
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => (axis + rank) % rank));
  const rest = [...dims];
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!));
};

const withoutAxes: OutputDims = (node, known) => {
  const dims = dimsOf(node, known, 0);
  const axes = known.integers(node.input[1]!)?.map((axis) => (axis + dims!.length) % dims!.length);
  if (!dims || !axes) return undefined;
  return dims.filter((_, axis) => !axes.includes(axis));
};

const reduce: OutputDims = (node, known) => {
  if (integerOf(node, "keepdims", 1) === 0) return withoutAxes(node, known);
  const dims = dimsOf(node, known, 0);
  const axes = known.integers(node.input[1]!)?.map((axis) => (axis + dims!.length) % dims!.length);
  return axes && dims?.map((size, axis) => (axes.includes(axis) ? 1 : size));
};

const transpose: OutputDims = (node, known) => {
  const dims = dimsOf(node, known, 0);
  const order = integersOf(node, "perm");
  return dims && (order.length === 0 ? dims.toReversed() : order.map((axis) => dims[axis]!));
};

const concat: OutputDims = (node, known) => {
  const all = node.input.map((_, index) => dimsOf(node, known, index));
  const [first] = all;
  if (!first || all.includes(undefined)) return undefined;
  const axis = (integerOf(node, "axis", 0) + first.length) % first.length;
  const sizes = all.map((dims) => dims![axis]!);
  const total = sizes.every((size) => typeof size === "number") ? sizes.reduce((sum, size) => sum + size, 0) : UNKNOWN;
  return first.map((size, index) => (index === axis ? total : size));
};

const sameRank: OutputDims = (node, known) => dimsOf(node, known, 0)?.map(() => UNKNOWN);

/** Values of as many tokens. */
const linearAttention: OutputDims = (node, known) => dimsOf(node, known, 2);

const gather: OutputDims = (node, known) => {
  const [data, indices] = [dimsOf(node, known, 0), dimsOf(node, known, 1)];
  const axis = integerOf(node, "axis", 0);
  return data && indices && [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
};

const shape: OutputDims = (node, known) => {
  const dims = dimsOf(node, known, 0);
  const [start, end] = [integerOf(node, "start", 0), integerOf(node, "end", Infinity)];
  return dims && [dims.slice(start, end).length];
};

const expand: OutputDims = (node, known) => {
  const rank = dimsOf(node, known, 1)?.[0];
  return typeof rank === "number" ? Array.from({ length: rank }, () => UNKNOWN) : undefined;
};

const vector: OutputDims = () => [UNKNOWN];

const nonZero: OutputDims = (node, known) => {
  const dims = dimsOf(node, known, 0);
  return dims && [dims.length, UNKNOWN];
};

const DIMS: Readonly<Record<string, OutputDims>> = {
  Cast: sameAsFirst,
  CausalConvWithState: sameAsFirst,
  Clip: sameAsFirst,
  Gelu: sameAsFirst,
  Identity: sameAsFirst,
  RMSNormalization: sameAsFirst,
  RotaryEmbedding: sameAsFirst,
  ScatterElements: sameAsFirst,
  Sigmoid: sameAsFirst,
  Softmax: sameAsFirst,
  Softplus: sameAsFirst,
  Tanh: sameAsFirst,
  Add: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Div: broadcast,
  Min: broadcast,
  Equal: broadcast,
  Greater: broadcast,
  Gemm: gemm,
  MatMul: matMul,
  MatMulNBits: matMulNBits,
  Reshape: reshape,
  Unsqueeze: unsqueeze,
  Squeeze: withoutAxes,
  ReduceSum: reduce,
  ReduceMax: reduce,
  Range: vector,
  NonZero: nonZero,
  Transpose: transpose,
  Concat: concat,
  Slice: sameRank,
  Split: sameRank,
  TopK: sameRank,
  Gather: gather,
  LinearAttention: linearAttention,
  Shape: shape,
  Expand: expand,
};
