import type { GraphProto, NodeProto } from "onnx-buf";
import { type Constant, node, type Port } from "../onnx/graph.ts";
import { unsupported } from "./backward-error.ts";
import { type Builder, type Codes, createBuilder } from "./builder.ts";
import type { GraphParts } from "./graph-parts.ts";
import type { Call, InputRule } from "./rule.ts";
import { RULES } from "./rules.ts";

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
  const samples = cotangentName(graph.outputs[0]!.name);
  const builder = createBuilder(graph, samples);
  const seeds = graph.outputs.map(({ name }) => [name, cotangentName(name)] as const);
  const cotangents = cotangentsOf(builder, seeds);
  passBack(builder, graph.nodes, activeTensors(graph.nodes, inputs), cotangents);
  const gradients = inputs.map((input) => node("Identity", [cotangents.of(input)], [gradientName(input)]));
  const nodes = [...builder.nodes, ...gradients];
  return assemble(graph, known, inputs, builder, [...neededNodes(graph.nodes, nodes, known), ...nodes]);
};

/** Cotangents of the tensors of a graph, as far as they have been found. */
interface Cotangents {
  has(tensor: string): boolean;
  /** The sum of all contributions; zeros if there is none. */
  of(tensor: string): string;
  add(tensor: string, contribution: string): void;
  /** Takes the place of all contributions. */
  set(tensor: string, sum: string): void;
}

const cotangentsOf = (builder: Builder, seeds: Iterable<readonly [string, string]>): Cotangents => {
  const parts = new Map<string, readonly string[]>(Array.from(seeds, ([tensor, seed]) => [tensor, [seed]]));
  const set: Cotangents["set"] = (tensor, sum) => void parts.set(tensor, [sum]);
  return {
    has: (tensor) => parts.has(tensor),
    add: (tensor, contribution) => void parts.set(tensor, [...(parts.get(tensor) ?? []), contribution]),
    set,
    of: (tensor) => {
      const sum = parts.get(tensor)?.reduce((left, right) => builder.emit("Add", [left, right]));
      const found = sum ?? builder.emit("Expand", [builder.number(0), builder.cotangentShapeOf(tensor)]);
      set(tensor, found);
      return found;
    },
  };
};

/** Goes through nodes from the last to the first. */
const passBack = (
  builder: Builder,
  nodes: readonly NodeProto[],
  active: ReadonlySet<string>,
  cotangents: Cotangents,
): void => {
  for (const one of nodes.toReversed()) {
    if (!smoothOutputs(one).some((output) => active.has(output) && cotangents.has(output))) continue;
    if (one.opType === "If") passBranches(builder, one, active, cotangents);
    else passNode(callOf(builder, one, cotangents), active, cotangents);
  }
};

const passNode = (call: Call, active: ReadonlySet<string>, cotangents: Cotangents): void => {
  for (const [index, input] of call.input.entries()) {
    const rule = active.has(input) ? ruleOf(call.node, index) : undefined;
    if (rule) cotangents.add(input, rule(call));
  }
};

/**
 * The contribution of the branch that ran: an `If` on the same condition adds it to what the cotangent of a tensor around the
 * branches is so far.
 */
const passBranches = (builder: Builder, one: NodeProto, active: ReadonlySet<string>, cotangents: Cotangents): void => {
  const seed = cotangents.of(one.output[0]!);
  for (const input of new Set(readsOf(one))) {
    if (!active.has(input)) continue;
    const before = cotangents.of(input);
    const branches = one.attribute.map(({ name, g }) => {
      const inner = builder.inside(g!.node);
      const own = cotangentsOf(inner, [[g!.output[0]!.name, seed]]);
      passBack(inner, g!.node, activeTensors(g!.node, [input]), own);
      const output = own.has(input) ? inner.emit("Add", [before, own.of(input)]) : inner.emit("Identity", [before]);
      const nodes = [...neededNodes(g!.node, inner.nodes, []), ...inner.nodes];
      const dims = [SAMPLES, ...builder.dims(input)];
      return [name, { branch: { name: output, nodes, outputs: [{ name: output, dims }] } }] as const;
    });
    cotangents.set(input, builder.emit("If", [one.input[0]!], Object.fromEntries(branches)));
  }
};

const ruleOf = ({ opType, domain }: NodeProto, index: number): InputRule | undefined => {
  const rule = domain === domainOf(opType) ? RULES[opType] : undefined;
  if (!rule) throw unsupported(`the operator ${domain === "" ? opType : `${domain}.${opType}`}`);
  return rule(index);
};

/** Operators of the same name in another domain may be others. */
const domainOf = (opType: string): string => (CONTRIBUTED.has(opType) ? "com.microsoft" : "");

const CONTRIBUTED: ReadonlySet<string> = new Set(["MatMulNBits", "CausalConvWithState", "LinearAttention"]);

/** The first output of these operators is smooth; others are places. */
const WITH_PLACES: ReadonlySet<string> = new Set(["TopK", "If"]);

const smoothOutputs = ({ opType, output }: NodeProto): readonly string[] =>
  WITH_PLACES.has(opType) ? output.slice(0, 1) : output;

/** Tensors that depend smoothly on some inputs. */
const activeTensors = (nodes: readonly NodeProto[], inputs: readonly string[]): ReadonlySet<string> => {
  const active = new Set(inputs);
  const isActive = (one: NodeProto): boolean =>
    one.opType === "If"
      ? readsOf(one).some((input) => active.has(input))
      : one.input.some((input, index) => active.has(input) && ruleOf(one, index) !== undefined);
  for (const one of nodes) if (isActive(one)) for (const output of smoothOutputs(one)) active.add(output);
  return active;
};

const callOf = (builder: Builder, one: NodeProto, cotangents: Cotangents): Call => ({
  ...builder,
  node: one,
  input: one.input,
  output: one.output,
  cotangent: (output = 0) => cotangents.of(one.output[output]!),
});

/** All tensors that a node reads, also in its branches. */
export const readsOf = ({ input, attribute }: NodeProto): string[] => [
  ...input,
  ...attribute.flatMap(({ g }) => (g ? readsOfGraph(g) : [])),
];

const readsOfGraph = ({ node: nodes, output }: GraphProto): string[] => [
  ...nodes.flatMap(readsOf),
  ...output.map(({ name }) => name),
];

/** The nodes of a forward graph that others need, without what leads to known tensors. */
const neededNodes = (
  forward: readonly NodeProto[],
  nodes: readonly NodeProto[],
  known: readonly string[],
): NodeProto[] => {
  const read = new Set(nodes.flatMap(readsOf));
  const needed: NodeProto[] = [];
  for (const one of forward.toReversed()) {
    if (!one.output.some((output) => read.has(output) && !known.includes(output))) continue;
    needed.unshift(one);
    for (const input of readsOf(one)) read.add(input);
  }
  return needed;
};

const assemble = (
  graph: GraphParts,
  known: readonly string[],
  wanted: readonly string[],
  { constants, codesMade }: Builder,
  nodes: readonly NodeProto[],
): Differentiated => {
  const read = new Set(nodes.flatMap(readsOf));
  const ports = [...graph.inputs, ...graph.outputs.filter(({ name }) => known.includes(name))];
  const repeated = (name: string, { dims }: Port): Port => ({ name, dims: [SAMPLES, ...dims] });
  const portOf = (input: string): Port => graph.inputs.find(({ name }) => name === input)!;
  return {
    inputs: [
      ...ports.filter(({ name }) => read.has(name)),
      ...graph.outputs.map((port) => repeated(cotangentName(port.name), port)),
    ],
    outputs: wanted.map((name) => repeated(gradientName(name), portOf(name))),
    nodes,
    constants: [...constants.values()].filter(({ name }) => read.has(name)),
    codes: codesMade,
  };
};
