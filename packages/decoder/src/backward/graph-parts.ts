import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from "onnx-buf";
import type { Port } from "../onnx/graph.ts";

/** Sizes of a tensor; a string is a symbolic or unknown one. */
export type Dims = readonly (number | string)[];

/** The numbers of a small integer constant; undefined for other tensors. */
export type ConstantIntegers = (name: string) => readonly number[] | undefined;

/** A graph as far as its derivative depends on it: without the numbers of its weights. */
export interface GraphParts {
  readonly nodes: readonly NodeProto[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly constantDims: ReadonlyMap<string, Dims>;
  readonly integers: ConstantIntegers;
}

/** The parts of a graph of a model file. Shares its nodes. */
export const graphParts = (graph: GraphProto): GraphParts => {
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor] as const));
  return {
    nodes: graph.node,
    inputs: graph.input.map(portOf),
    outputs: graph.output.map(portOf),
    constantDims: new Map([...constants].map(([name, { dims }]) => [name, dims.map(Number)] as const)),
    integers: (name) => integersOf(constants.get(name)),
  };
};

/** The code of int64 in `TensorProto.DataType`. */
const INT64 = 7;

const integersOf = (tensor: TensorProto | undefined): number[] | undefined => {
  if (tensor?.dataType !== INT64 || tensor.externalData.length > 0) return undefined;
  if (tensor.int64Data.length > 0) return tensor.int64Data.map(Number);
  const bytes = new DataView(tensor.rawData.buffer, tensor.rawData.byteOffset, tensor.rawData.byteLength);
  return Array.from({ length: bytes.byteLength / 8 }, (_, index) => Number(bytes.getBigInt64(8 * index, true)));
};

/** A port of a model file. */
export const portOf = ({ name, type }: ValueInfoProto): Port => {
  const dims = type?.value.case === "tensorType" ? (type.value.value.shape?.dim ?? []) : [];
  return {
    name,
    dims: dims.map(({ value }, axis) => {
      if (value.case === "dimValue") return Number(value.value);
      return value.case === "dimParam" ? value.value : `${name}_${axis}`;
    }),
  };
};
