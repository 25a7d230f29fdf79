import type { NodeProto } from "onnx-buf";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import {
  type AttributeValue,
  type Constant,
  type Graph,
  integers,
  node,
  scalar,
  serializeGraph,
} from "../onnx/graph.ts";
import { noise } from "../test-support/noise.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { cotangentName, gradientName } from "./differentiate.ts";
import { RULES } from "./rules.ts";
import { vjpModel } from "./vjp-model.ts";

/** A graph with some inputs of {@link NAMES} and the output `y`. */
interface Case {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly Constant[];
  readonly inputs: readonly (readonly number[])[];
  readonly output: readonly number[];
  /** Of all operators; the standard one by default. */
  readonly domain?: string;
}

const NAMES = ["a", "b", "c", "d", "e", "f"];

/** One operation on as many inputs as have sizes, then on constants. */
const operation = (
  opType: string,
  inputs: Case["inputs"],
  output: readonly number[],
  constants: readonly Constant[] = [],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): Case => {
  const names = [...NAMES.slice(0, inputs.length), ...constants.map(({ name }) => name)];
  return { nodes: [node(opType, names, ["y"], attributes)], constants, inputs, output };
};

const numbers = (name: string, dims: readonly number[]): Constant => ({ name, dims, data: random(name, dims) });

const random = (name: string, dims: readonly number[]): Float32Array =>
  Float32Array.from({ length: dims.reduce((product, size) => product * size, 1) }, noise(name));

const axis = (value: number): Constant => integers("axes", [value]);

const choice = (isTaken: boolean): Case => {
  const branch = (
    name: string,
    nodes: readonly NodeProto[],
  ): { branch: Pick<Graph, "name" | "outputs" | "nodes"> } => ({
    branch: { name, nodes, outputs: [{ name: `${name}_rows`, dims: ["count", 3] }] },
  });
  const branches = {
    then_branch: branch("busy", [
      node("Gather", ["a", "rows"], ["taken"], { axis: 0 }),
      node("Tanh", ["taken"], ["bent"]),
      node("Mul", ["bent", "taken"], ["busy_rows"]),
    ]),
    else_branch: branch("idle", [node("Identity", ["others"], ["idle_rows"])]),
  };
  const constants = [
    integers("rows", [3, 1]),
    numbers("others", [2, 3]),
    { name: "flag", dims: [], data: BigInt64Array.of(isTaken ? 1n : 0n) },
    { name: "none", dims: [], data: BigInt64Array.of(0n) },
  ];
  const nodes = [
    node("Greater", ["flag", "none"], ["condition"]),
    node("If", ["condition"], ["chosen"], branches),
    node("Add", ["chosen", "b"], ["y"]),
  ];
  return {
    nodes,
    constants,
    inputs: [
      [4, 3],
      [2, 3],
    ],
    output: [2, 3],
  };
};

/** A convolution of 2 sequences of 3 channels, whose last state counts too. */
const convolution = (activation: string, tokens: number, hasBias: boolean): Case => ({
  nodes: [
    node(
      "CausalConvWithState",
      ["a", "kernel", hasBias ? "bias" : "", "b"],
      ["convolved", "present"],
      { activation },
      "com.microsoft",
    ),
    node("Concat", ["convolved", "present"], ["y"], { axis: 2 }),
  ],
  constants: [numbers("kernel", [3, 1, 4]), ...(hasBias ? [numbers("bias", [3])] : [])],
  inputs: [
    [2, 3, tokens],
    [2, 3, 3],
  ],
  output: [2, 3, tokens + 3],
});

/** The gated delta rule for 2 sequences with 2 heads; with `isStateRead`, its last state counts too. */
const deltaRule = (tokens: number, isStateRead: boolean, scale?: number): Case => {
  const attributes = { q_num_heads: 2, kv_num_heads: 2, ...(scale !== undefined && { scale: { float: scale } }) };
  const sizes = integers("sizes", [2, -1]);
  const [keyWidth, width] = [2 * 3, 2 * 4];
  return {
    nodes: [
      node("LinearAttention", [...NAMES], ["read", "present"], attributes, "com.microsoft"),
      ...(isStateRead
        ? [
            node("Reshape", ["read", "sizes"], ["read_row"]),
            node("Reshape", ["present", "sizes"], ["present_row"]),
            node("Concat", ["read_row", "present_row"], ["y"], { axis: 1 }),
          ]
        : [node("Identity", ["read"], ["y"])]),
    ],
    constants: isStateRead ? [sizes] : [],
    inputs: [
      [2, tokens, keyWidth],
      [2, tokens, keyWidth],
      [2, tokens, width],
      [2, 2, 3, 4],
      [2, tokens, 2],
      [2, tokens, 2],
    ],
    output: isStateRead ? [2, tokens * width + 2 * 3 * 4] : [2, tokens, width],
  };
};

/** Of keys near one of length 1, with rates near 1 and hardly any decay: terms of a power series would be huge. */
const equalKeys = (tokens: number): Case => {
  const { nodes, inputs, output } = deltaRule(tokens, false);
  const near = (name: string, value: string): NodeProto[] => [
    node("Mul", [name, "small"], [`${name}_change`]),
    node("Add", [`${name}_change`, value], [`${name}_near`]),
  ];
  const nears = new Map(["b", "e", "f"].map((name) => [name, `${name}_near`]));
  const moved = nodes.map((one) => ({ ...one, input: one.input.map((name) => nears.get(name) ?? name) }));
  return {
    nodes: [...near("b", "unit"), ...near("e", "none"), ...near("f", "one"), ...moved],
    constants: [scalar("small", 0.01), scalar("unit", Math.sqrt(1 / 3)), scalar("none", 0), scalar("one", 1)],
    inputs,
    output,
  };
};

const square = [3, 4];
const cases: Readonly<Record<string, Case>> = {
  Identity: operation("Identity", [square], square),
  Add: operation("Add", [square, [3, 1]], square),
  Sub: operation("Sub", [square, [4]], square),
  Mul: operation("Mul", [square, [3, 1]], square),
  // Away from 0.
  Div: {
    nodes: [node("Add", ["b", "shift"], ["shifted"]), node("Div", ["a", "shifted"], ["y"])],
    constants: [scalar("shift", 2)],
    inputs: [square, square],
    output: square,
  },
  Sigmoid: operation("Sigmoid", [square], square),
  Tanh: operation("Tanh", [square], square),
  Gelu: operation("Gelu", [square], square, [], { approximate: "tanh" }),
  Min: operation("Min", [square], square, [scalar("most", 0.1)]),
  Clip: operation("Clip", [square], square, [scalar("least", -0.5), scalar("most", 0.4)]),
  Reshape: operation("Reshape", [square], [2, 6], [integers("sizes", [2, 6])]),
  Unsqueeze: operation("Unsqueeze", [square], [3, 1, 4], [axis(1)]),
  Squeeze: operation("Squeeze", [[3, 1, 4]], square, [axis(1)]),
  Transpose: operation("Transpose", [[2, 3, 4]], [4, 2, 3], [], { perm: [2, 0, 1] }),
  Concat: operation("Concat", [square, [3, 2]], [3, 6], [], { axis: 1 }),
  Slice: operation("Slice", [square], [3, 2], [integers("from", [0]), integers("to", [2]), axis(1)]),
  ReduceSum: operation("ReduceSum", [square], [3], [axis(-1)], { keepdims: 0 }),
  "ReduceSum with the axis kept": operation("ReduceSum", [square], [1, 4], [axis(0)], { keepdims: 1 }),
  Split: {
    nodes: [node("Split", ["a", "widths"], ["left", "unused"], { axis: 1 }), node("Tanh", ["left"], ["y"])],
    constants: [integers("widths", [3, 1])],
    inputs: [square],
    output: [3, 3],
  },
  Gather: operation("Gather", [square], [2, 4], [integers("rows", [2, 0])], { axis: 0 }),
  TopK: {
    nodes: [node("TopK", ["a", "count"], ["y", "places"], { axis: -1 })],
    constants: [integers("count", [2])],
    inputs: [square],
    output: [3, 2],
  },
  Gemm: operation("Gemm", [square], [3, 2], [numbers("matrix", [2, 4]), numbers("bias", [2])], { transB: 1 }),
  "Gemm of a matrix in columns": operation("Gemm", [square], [3, 2], [numbers("matrix", [4, 2])]),
  MatMul: operation(
    "MatMul",
    [
      [2, 3, 4],
      [2, 4, 3],
    ],
    [2, 3, 3],
  ),
  RMSNormalization: operation("RMSNormalization", [square], square, [numbers("weight", [4])], {
    epsilon: { float: 0.1 },
  }),
  Softmax: operation("Softmax", [square], square, [], { axis: -1 }),
  RotaryEmbedding: operation(
    "RotaryEmbedding",
    [[1, 3, 8]],
    [1, 3, 8],
    [numbers("cosine", [1, 3, 2]), numbers("sine", [1, 3, 2])],
    { num_heads: 2 },
  ),
  Softplus: operation("Softplus", [square], square),
  CausalConvWithState: convolution("none", 5, true),
  "CausalConvWithState of fewer tokens than its state": convolution("silu", 2, true),
  "CausalConvWithState without a bias": convolution("silu", 1, false),
  LinearAttention: deltaRule(7, true),
  "LinearAttention of one token": deltaRule(1, true),
  "LinearAttention of a power of two, with a scale": deltaRule(8, false, 0.7),
  "LinearAttention of many equal keys": equalKeys(100),
  "If, taken": choice(true),
  "If, not taken": choice(false),
};

const sliced = (from: number, to: number, step: number): Case => {
  const bounds = [integers("from", [from]), integers("to", [to]), axis(1), integers("steps", [step])];
  return operation("Slice", [square], [3, 2], bounds);
};

const graphOf = ({ inputs, output, nodes, constants }: Case): Uint8Array =>
  serializeGraph({
    name: "case",
    inputs: inputs.map((dims, index) => ({ name: NAMES[index]!, dims })),
    outputs: [{ name: "y", dims: output }],
    nodes,
    constants,
  });

test("every operator with a rule is here, except those without a derivative or in blocks", () => {
  const here = new Set(Object.values(cases).flatMap(({ nodes }) => nodes.map(({ opType }) => opType)));
  expect(Object.keys(RULES).filter((name) => !here.has(name))).toEqual(["Shape", "MatMulNBits"]);
});

/** The gated delta rule of one sequence with 2 heads, but for some attributes and the width of decays. */
const otherAttention = (attributes: Readonly<Record<string, AttributeValue>>, decayWidth = 2): Case => {
  const inputs = [
    [1, 3, 6],
    [1, 3, 6],
    [1, 3, 8],
    [1, 2, 3, 4],
    [1, 3, decayWidth],
    [1, 3, 2],
  ];
  const all = { q_num_heads: 2, kv_num_heads: 2, ...attributes };
  return { ...operation("LinearAttention", inputs, [1, 3, 8], [], all), domain: "com.microsoft" };
};

const otherConvolution = (activation: string, ...pasts: Case["inputs"]): Case => {
  const inputs = ["a", "kernel", "", ...(pasts.length > 0 ? ["b"] : [])];
  return {
    nodes: [node("CausalConvWithState", inputs, ["y"], { activation })],
    constants: [numbers("kernel", [3, 1, 4])],
    inputs: [[2, 3, 5], ...pasts],
    output: [2, 3, 5],
    domain: "com.microsoft",
  };
};

const matrix = numbers("matrix", square);
/** An operator of unknown output sizes, which needs no derivative. */
const rounded: Case = {
  nodes: [node("Round", ["matrix"], ["whole"]), node("Mul", ["a", "whole"], ["y"])],
  constants: [matrix],
  inputs: [square],
  output: square,
};
test.each([
  ["Gelu with approximate none", operation("Gelu", [square], square)],
  ["Gemm with alpha 0.5", operation("Gemm", [square], [3, 3], [matrix], { transB: 1, alpha: { float: 0.5 } })],
  ["Gemm with beta 2", operation("Gemm", [square], [3, 3], [matrix], { transB: 1, beta: { float: 2 } })],
  ["Gemm with transA 1", operation("Gemm", [square], [4, 4], [matrix], { transA: 1 })],
  ["Gemm with another computed input", operation("Gemm", [square, square], [3, 3], [], { transB: 1 })],
  ["MatMul with a repeated first input", operation("MatMul", [square], [2, 3, 2], [numbers("matrices", [2, 4, 2])])],
  ["Min with more than 2 inputs", operation("Min", [square], square, [scalar("most", 1), scalar("other", 0)])],
  ["Softmax with axis 0", operation("Softmax", [square], square, [], { axis: 0 })],
  ["TopK with axis 0", operation("TopK", [square], [2, 4], [integers("count", [2])], { axis: 0 })],
  ["RMSNormalization with axis 0", operation("RMSNormalization", [square], square, [matrix], { axis: 0 })],
  ["RotaryEmbedding of another input", operation("RotaryEmbedding", [[1, 2, 3, 8]], [1, 2, 3, 8])],
  ["Transpose without perm", operation("Transpose", [square], [4, 3])],
  ["Slice with other starts than 0", sliced(1, 3, 1)],
  ["Slice with other steps than 1", sliced(0, 4, 2)],
  ["the operator Round", rounded],
  ["ReduceSum without constant axes", operation("ReduceSum", [square], [1, 1])],
  ["LinearAttention with update_rule gated", otherAttention({ update_rule: "gated" })],
  ["LinearAttention with kv_num_heads 1", otherAttention({ kv_num_heads: 1 })],
  ["LinearAttention with other decays and rates than one per head", otherAttention({}, 6)],
  ["CausalConvWithState with activation gelu", otherConvolution("gelu", [2, 3, 3])],
  ["without a past state", otherConvolution("none")],
  ["the operator com.microsoft.Gelu", { ...operation("Gelu", [square], square), domain: "com.microsoft" }],
])("%s is refused instead of differentiated as another", (got, { domain = "", ...one }: Case) => {
  const nodes = one.nodes.map((made) => ({ ...made, domain }));
  const names = NAMES.slice(0, one.inputs.length);
  expect(() => vjpModel(graphOf({ ...one, nodes }), { inputs: names })).toThrow(
    expect.objectContaining({ code: "BACKWARD_UNSUPPORTED", message: expect.stringContaining(got) }),
  );
});

const SAMPLES = 2;
const STEP = 1e-2;

test.each(Object.entries(cases))("the rules of %s are those of finite differences", async (_, one) => {
  const names = NAMES.slice(0, one.inputs.length);
  const graph = graphOf(one);
  const forward = await oneThreadSession(graph);
  const backward = await InferenceSession.create(vjpModel(graph, { inputs: names }));
  const values = Object.fromEntries(names.map((name, index) => [name, random(name, one.inputs[index]!)]));
  const tensors = (moved: Readonly<Record<string, Float32Array>>): Record<string, Tensor> =>
    Object.fromEntries(names.map((name, index) => [name, new Tensor("float32", moved[name]!, one.inputs[index])]));
  const cotangent = random("cotangent", [SAMPLES, ...one.output]);
  const all = { ...tensors(values), [cotangentName("y")]: new Tensor("float32", cotangent, [SAMPLES, ...one.output]) };
  const feeds = Object.fromEntries(backward.inputNames.map((name) => [name, all[name]!]));
  const gradients = await backward.run(feeds);
  for (const name of names) {
    const direction = random(`direction of ${name}`, [values[name]!.length]);
    const at = async (step: number): Promise<Float32Array> => {
      const moved = { ...values, [name]: values[name]!.map((x, index) => x + step * direction[index]!) };
      return (await forward.run(tensors(moved)))["y"]!.data as Float32Array;
    };
    const [above, below] = [await at(STEP), await at(-STEP)];
    for (let sample = 0; sample < SAMPLES; sample++) {
      const expected = above.reduce(
        (sum, y, index) => sum + (cotangent[sample * above.length + index]! * (y - below[index]!)) / (2 * STEP),
        0,
      );
      const gradient = gradients[gradientName(name)]!.data as Float32Array;
      const actual = direction.reduce((sum, d, index) => sum + d * gradient[sample * direction.length + index]!, 0);
      expect(Math.abs(actual - expected), `${name}, ${actual} for ${expected}`).toBeLessThan(
        3e-3 * (1 + Math.abs(expected)),
      );
    }
  }
});
