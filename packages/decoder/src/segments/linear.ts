import { equals } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema } from "onnx-buf";
import type { AnyLinear } from "../architecture/weights.ts";
import type { BlockLayout } from "../gguf/block-codes.ts";
import { bytesOfData, type Constant, type DeferredConstant, integers, node, scalar } from "../onnx/graph.ts";
import { layoutOf, matrixConstants } from "./matrix-constants.ts";

/** Nodes and constants of a part of a graph. */
export interface Part {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly (Constant | DeferredConstant)[];
}

/** Activations that blocks of codes are multiplied with: float32, or rounded to int8 in the same blocks. */
export type Arithmetic = "float32" | "int8";

/** `accuracy_level` of MatMulNBits: at least float32 arithmetic, at least int8. */
const ACCURACY_LEVEL: Readonly<Record<Arithmetic, number>> = { float32: 1, int8: 4 };

/** `output = input matrix^T + bias`, of float32 `[rows, columns]` and `[rows, matrix rows]`. */
export const linear = (
  name: string,
  input: string,
  output: string,
  weights: AnyLinear,
  arithmetic: Arithmetic,
): Part => {
  const layout = layoutOf(weights.matrix);
  return layout
    ? blockLinear(name, input, output, weights, layout, arithmetic)
    : floatLinear(name, input, output, weights);
};

/** `output = factor * input` */
export const times = (name: string, input: string, output: string, factor: number): Part => ({
  nodes: [node("Mul", [input, name], [output])],
  constants: [scalar(name, factor)],
});

const floatLinear = (name: string, input: string, output: string, weights: AnyLinear): Part => ({
  nodes: [node("Gemm", [input, `${name}_weight`, ...(weights.bias ? [`${name}_bias`] : [])], [output], { transB: 1 })],
  constants: [...matrixConstants(name, weights), ...biasConstant(name, weights.bias)],
});

/**
 * MatMulNBits computes `scale * code`. The offsets add a small product: the sums of the input's blocks times the offsets.
 */
const blockLinear = (
  name: string,
  input: string,
  output: string,
  weights: AnyLinear,
  { blockSize, bits, hasOffsets }: BlockLayout,
  arithmetic: Arithmetic,
): Part => {
  const { rows, columns, bias } = weights;
  const blocks = columns / blockSize;
  const product = hasOffsets ? `${output}_centred` : output;
  const inputs = [input, `${name}_codes`, `${name}_scales`, ...(bias ? ["", "", `${name}_bias`] : [])];
  const sizes = { K: columns, N: rows, bits, block_size: blockSize, accuracy_level: ACCURACY_LEVEL[arithmetic] };
  const sums = hasOffsets ? blockSums(input, blocks, blockSize) : { nodes: [], constants: [] };
  return {
    nodes: [
      ...sums.nodes,
      node("MatMulNBits", inputs, [product], sizes, "com.microsoft"),
      ...(hasOffsets
        ? [node("Gemm", [sumsName(input, blockSize), `${name}_offsets`, product], [output], { transB: 1 })]
        : []),
    ],
    constants: [...sums.constants, ...matrixConstants(name, weights), ...biasConstant(name, bias)],
  };
};

/** Sums of the input's blocks, `[rows, blocks]`. Products with the same input and block size share this part. */
const blockSums = (input: string, blocks: number, blockSize: number): Part => {
  const sums = sumsName(input, blockSize);
  return {
    nodes: [
      node("Reshape", [input, `${sums}_split`], [`${sums}_blocks`]),
      node("ReduceSum", [`${sums}_blocks`, "last_axis"], [sums], { keepdims: 0 }),
    ],
    constants: [integers(`${sums}_split`, [-1, blocks, blockSize]), integers("last_axis", [-1])],
  };
};

const sumsName = (input: string, blockSize: number): string => `${input}_sums_of_${blockSize}`;

const biasConstant = (name: string, bias: Float32Array | undefined): Constant[] =>
  bias ? [{ name: `${name}_bias`, dims: [bias.length], data: bias }] : [];

/**
 * Joins parts. Equal nodes and constants of several parts occur once.
 *
 * @throws Error when two that differ have the same name: one of them would be lost
 */
export const join = (parts: readonly Part[]): Part => ({
  nodes: distinct(
    parts.flatMap((part) => part.nodes),
    ({ output }) => output[0]!,
    (one, other) => equals(NodeProtoSchema, one, other),
  ),
  constants: distinct(
    parts.flatMap((part) => part.constants),
    ({ name }) => name,
    isSameConstant,
  ),
});

const distinct = <Item>(
  items: readonly Item[],
  nameOf: (item: Item) => string,
  isSame: (one: Item, other: Item) => boolean,
): Item[] => {
  const byName = new Map<string, Item>();
  for (const item of items) {
    const name = nameOf(item);
    const other = byName.get(name);
    if (other !== undefined && !isSame(item, other)) throw new Error(`internal: two parts of a graph make ${name}`);
    byName.set(name, other ?? item);
  }
  return [...byName.values()];
};

const isSameConstant = (one: Constant | DeferredConstant, other: Constant | DeferredConstant): boolean => {
  if (!("data" in one && "data" in other)) return one === other;
  if (one.dims.join() !== other.dims.join()) return false;
  const [bytes, others] = [bytesOfData(one.data), bytesOfData(other.data)];
  return bytes.length === others.length && bytes.every((byte, index) => byte === others[index]);
};

/** Computes `output` from `input`. */
type Step = (output: string, input: string) => Part;

/** Name of what a step of {@link chain}, not its last, computes. */
export const stepName = (output: string, step: number): string => `${output}_step_${step}`;

/** Steps of which each has the output of the one before as its input; the last writes `output`. Skips undefined ones. */
export const chain = (output: string, optional: readonly (Step | undefined)[]): Part => {
  const steps = optional.filter((step) => step !== undefined);
  const outputOf = (step: number): string => (step === steps.length - 1 ? output : stepName(output, step));
  return join(steps.map((step, index) => step(outputOf(index), outputOf(index - 1))));
};
