import type { NodeProto } from "onnx-buf";
import { type Constant, integers as integerConstant, node, type Port, scalar } from "../onnx/graph.ts";
import { unsupported } from "./backward-error.ts";
import type { GraphParts } from "./graph-parts.ts";
import type { Call, Emitter, InputRule } from "./rule.ts";
import { RULES } from "./rules.ts";
import { tensorDims } from "./tensor-dims.ts";

/** What to differentiate. */
export interface Differentiation {
  /** Inputs whose gradients are wanted. */
  readonly inputs: readonly string[];
  /** Tensors inside the graph that the caller has, and which become inputs where they are needed. */
  readonly known?: readonly string[];
}

/** A graph without the constants of the forward graph, which it reads by their names. */
export interface Differentiated {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly nodes: readonly NodeProto[];
  /** Constants that the forward graph does not have. */
  readonly constants: readonly Constant[];
  /** Constants of the forward graph in another type, with the same bytes. */
  readonly codes: readonly Codes[];
}

/** Unsigned codes in the bytes of a constant `source`, from the low bits of a byte to the high ones. */
export interface Codes {
  readonly name: string;
  readonly source: string;
  readonly bits: 4 | 8;
  readonly dims: readonly number[];
}

/** Names of the input for the cotangent of an output of the forward graph, and of the gradient of an input. */
export const cotangentName = (output: string): string => `${output}_cotangent`;
export const gradientName = (input: string): string => `${input}_gradient`;

/** Sizes of a tensor for several cotangents at once. */
const SAMPLES = "samples";

/**
 * The vector-Jacobian product of a graph, by reverse-mode differentiation. A cotangent or gradient has a leading axis: several are
 * computed at once, from one forward computation.
 *
 * Inputs: `NAME_cotangent` of each output, `[samples, ...]`, and the inputs and known tensors of the forward graph that are needed.
 * Outputs: `NAME_gradient`, `[samples, ...]`.
 *
 * @throws BackwardError `BACKWARD_UNSUPPORTED` names an operator without a rule
 */
export const differentiate = (graph: GraphParts, { inputs, known = [] }: Differentiation): Differentiated => {
  const builder = createBuilder(graph);
  const cotangents = new Map<string, string[]>(graph.outputs.map(({ name }) => [name, [cotangentName(name)]]));
  const active = activeTensors(graph.nodes, inputs);
  const sumOf = (tensor: string): string | undefined => {
    const parts = cotangents.get(tensor);
    if (!parts) return undefined;
    const sum = parts.reduce((left, right) => builder.emit("Add", [left, right]));
    cotangents.set(tensor, [sum]);
    return sum;
  };
  for (const one of graph.nodes.toReversed()) {
    if (!one.output.some((output) => active.has(output) && cotangents.has(output))) continue;
    const call = callOf(builder, one, sumOf);
    for (const [index, input] of one.input.entries()) {
      const rule = active.has(input) ? ruleOf(one, index) : undefined;
      if (rule) cotangents.set(input, [...(cotangents.get(input) ?? []), rule(call)]);
    }
  }
  const gradients = inputs.map((input) =>
    node("Identity", [sumOf(input) ?? zeros(builder, input)], [gradientName(input)]),
  );
  return assemble(graph, known, inputs, { ...builder, nodes: [...builder.nodes, ...gradients] });
};

const ruleOf = ({ opType }: NodeProto, index: number): InputRule | undefined => {
  const rule = RULES[opType];
  if (!rule) throw unsupported(`the operator ${opType}`);
  return rule(index);
};

/** Tensors that depend smoothly on some inputs. */
const activeTensors = (nodes: readonly NodeProto[], inputs: readonly string[]): ReadonlySet<string> => {
  const active = new Set(inputs);
  for (const one of nodes)
    if (one.input.some((input, index) => active.has(input) && ruleOf(one, index) !== undefined))
      for (const output of one.output) active.add(output);
  return active;
};

interface Builder extends Emitter {
  readonly nodes: readonly NodeProto[];
  readonly constants: ReadonlyMap<string, Constant>;
  readonly codesMade: Codes[];
}

const PREFIX = "vjp_";

const createBuilder = ({ nodes: forward, inputs, outputs, constantDims, integers }: GraphParts): Builder => {
  const given = new Map([...constantDims, ...inputs.map(({ name, dims }) => [name, dims] as const)]);
  const dims = tensorDims(forward, given, integers);
  const nodes: NodeProto[] = [];
  const constants = new Map<string, Constant>();
  const codesMade: Codes[] = [];
  /** Outputs of operations that several rules need. */
  const shared = new Map<string, string>();
  const constant = (made: Constant): string => {
    constants.set(made.name, made);
    return made.name;
  };
  const emit: Emitter["emit"] = (opType, input, attributes, domain) => {
    const output = `${PREFIX}${nodes.length}`;
    nodes.push(node(opType, input, [output], attributes, domain));
    return output;
  };
  const once = (key: string, make: () => string): string => {
    const name = shared.get(key) ?? make();
    shared.set(key, name);
    return name;
  };
  const shapeOf = (tensor: string): string => once(`shape of ${tensor}`, () => emit("Shape", [tensor]));
  const samples = (): string =>
    once("samples", () => emit("Shape", [cotangentName(outputs[0]!.name)], { start: 0, end: 1 }));
  return {
    nodes,
    constants,
    codesMade,
    emit,
    codes: (source, bits, sizes) => {
      codesMade.push({ name: `${PREFIX}${source}`, source, bits, dims: sizes });
      return `${PREFIX}${source}`;
    },
    number: (value) => constant(scalar(`${PREFIX}number_${value}`, value)),
    integers: (values) => constant(integerConstant(`${PREFIX}integers_${values.join("_")}`, values)),
    shapeOf,
    cotangentShapeOf: (tensor) =>
      once(`cotangent shape of ${tensor}`, () => emit("Concat", [samples(), shapeOf(tensor)], { axis: 0 })),
    dims: (tensor) => {
      const found = dims.get(tensor);
      if (!found) throw unsupported(`a tensor ${tensor} of unknown rank`);
      return found;
    },
    constantIntegers: integers,
  };
};

const callOf = (builder: Builder, one: NodeProto, cotangentOf: (tensor: string) => string | undefined): Call => ({
  ...builder,
  node: one,
  input: one.input,
  output: one.output,
  cotangent: (output = 0) => cotangentOf(one.output[output]!) ?? zeros(builder, one.output[output]!),
});

/** The cotangent of a tensor that no output depends on. */
const zeros = (builder: Builder, tensor: string): string =>
  builder.emit("Expand", [builder.number(0), builder.cotangentShapeOf(tensor)]);

/** Adds the nodes of the forward graph that the others read. */
const assemble = (
  graph: GraphParts,
  known: readonly string[],
  wanted: readonly string[],
  { nodes, constants, codesMade }: Pick<Builder, "nodes" | "constants" | "codesMade">,
): Differentiated => {
  const read = new Set(nodes.flatMap(({ input }) => input));
  const forward: NodeProto[] = [];
  for (const one of graph.nodes.toReversed()) {
    if (!one.output.some((output) => read.has(output) && !known.includes(output))) continue;
    forward.unshift(one);
    for (const input of one.input) read.add(input);
  }
  const ports = [...graph.inputs, ...graph.outputs.filter(({ name }) => known.includes(name))];
  const cotangent = (name: string, { dims }: Port): Port => ({ name, dims: [SAMPLES, ...dims] });
  return {
    inputs: [
      ...ports.filter(({ name }) => read.has(name)),
      ...graph.outputs.map((port) => cotangent(cotangentName(port.name), port)),
    ],
    outputs: wanted.map((name) =>
      cotangent(
        gradientName(name),
        graph.inputs.find((port) => port.name === name)!,
      ),
    ),
    nodes: [...forward, ...nodes],
    constants: [...constants.values()].filter(({ name }) => read.has(name)),
    codes: codesMade,
  };
};
