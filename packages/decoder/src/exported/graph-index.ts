import type { GraphProto, NodeProto, TensorProto } from "onnx-buf";

/** Inputs of a decoder's graph that segments may read: token ids and positions, int64 `[batch, tokens]`. */
export const IDS = "input_ids";
export const POSITIONS = "position_ids";

/** An ONNX graph with ways to find what makes a tensor. */
export interface GraphIndex {
  readonly graph: GraphProto;
  /** The node that makes a tensor; undefined for inputs of the graph and constants. */
  producer(tensor: string): NodeProto | undefined;
  /** A constant by name. */
  constant(tensor: string): TensorProto | undefined;
  /** Dimensions of an input of the graph by name; undefined for an unknown size. */
  inputDims(tensor: string): readonly (number | undefined)[] | undefined;
  /** Element type of an input of the graph, as in `TensorProto.DataType`. */
  inputType(tensor: string): number | undefined;
}

/** Indexes a graph. */
export const graphIndex = (graph: GraphProto): GraphIndex => {
  const producers = new Map(graph.node.flatMap((node) => node.output.map((tensor) => [tensor, node] as const)));
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor] as const));
  const inputs = new Map(
    graph.input.flatMap(({ name, type }) =>
      type?.value.case === "tensorType" ? [[name, type.value.value] as const] : [],
    ),
  );
  return {
    graph,
    producer: (tensor) => producers.get(tensor),
    constant: (tensor) => constants.get(tensor),
    inputDims: (tensor) =>
      inputs.get(tensor)?.shape?.dim.map(({ value }) => (value.case === "dimValue" ? Number(value.value) : undefined)),
    inputType: (tensor) => inputs.get(tensor)?.elemType,
  };
};
