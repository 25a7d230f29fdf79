import type { NodeProto } from "onnx-buf";
import { type Constant, integers as integerConstant, node, scalar } from "../onnx/graph.ts";
import { unsupported } from "./backward-error.ts";
import type { Dims, GraphParts } from "./graph-parts.ts";
import type { Emitter } from "./rule.ts";
import { tensorDims } from "./tensor-dims.ts";

/** Unsigned codes in the bytes of a constant `source`, from the low bits of a byte to the high ones. */
export interface Codes {
  readonly name: string;
  readonly source: string;
  readonly bits: 4 | 8;
  readonly dims: readonly number[];
}

/** Collects the nodes and constants of a derivative. */
export interface Builder extends Emitter {
  readonly nodes: readonly NodeProto[];
  readonly constants: ReadonlyMap<string, Constant>;
  readonly codesMade: readonly Codes[];
  /** Collects the nodes of a branch, whose forward nodes are given. Its constants are those of the graph around it. */
  inside(forward: readonly NodeProto[]): Builder;
}

/** What all builders of a derivative share. */
interface Whole {
  readonly graph: GraphParts;
  /** A tensor whose first size is the number of cotangents. */
  readonly samplesOf: string;
  readonly constants: Map<string, Constant>;
  readonly codesMade: Codes[];
  /** Makes a name. */
  readonly name: () => string;
}

const PREFIX = "vjp_";

/** An empty derivative of a graph. */
export const createBuilder = (graph: GraphParts, samplesOf: string): Builder => {
  let count = 0;
  const name = (): string => `${PREFIX}${count++}`;
  const given = new Map([
    ...graph.constantDims,
    ...graph.inputs.map(({ name: input, dims }) => [input, dims] as const),
  ]);
  const whole: Whole = { graph, samplesOf, constants: new Map(), codesMade: [], name };
  return builderOf(whole, tensorDims(graph.nodes, given, graph.integers));
};

const builderOf = (whole: Whole, dims: ReadonlyMap<string, Dims>): Builder => {
  const { constants, codesMade, graph, samplesOf, name } = whole;
  const nodes: NodeProto[] = [];
  /** Outputs of operations that several rules need. */
  const shared = new Map<string, string>();
  const constant = (made: Constant): string => {
    constants.set(made.name, made);
    return made.name;
  };
  const emit: Emitter["emit"] = (opType, input, attributes, domain) => {
    const output = name();
    nodes.push(node(opType, input, [output], attributes, domain));
    return output;
  };
  const once: Emitter["once"] = (key, make) => {
    const found = shared.get(key) ?? make();
    shared.set(key, found);
    return found;
  };
  const shapeOf = (tensor: string): string => once(`shape of ${tensor}`, () => emit("Shape", [tensor]));
  const samples = (): string => once("samples", () => emit("Shape", [samplesOf], { start: 0, end: 1 }));
  return {
    nodes,
    constants,
    codesMade,
    emit,
    once,
    inside: (forward) => builderOf(whole, tensorDims(forward, dims, graph.integers)),
    number: (value) => constant(scalar(`${PREFIX}number_${value}`, value)),
    integers: (values) => constant(integerConstant(`${PREFIX}integers_${values.join("_")}`, values)),
    codes: (source, bits, sizes) => {
      const made = { name: `${PREFIX}${source}`, source, bits, dims: sizes };
      if (!codesMade.some((other) => other.name === made.name)) codesMade.push(made);
      return made.name;
    },
    shapeOf,
    cotangentShapeOf: (tensor) =>
      once(`cotangent shape of ${tensor}`, () => emit("Concat", [samples(), shapeOf(tensor)], { axis: 0 })),
    dims: (tensor) => {
      const found = dims.get(tensor);
      if (!found) throw unsupported(`a tensor ${tensor} of unknown rank`);
      return found;
    },
    constantIntegers: graph.integers,
  };
};
