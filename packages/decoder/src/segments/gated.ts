import type { NodeProto } from "onnx-buf";
import type { Activation, GatedWeights } from "../architecture/weights.ts";
import { node, scalar } from "../onnx/graph.ts";
import { type Arithmetic, join, linear, type Part } from "./linear.ts";

/** `output = down(activation(gate(input), up(input)))`; names in between start with `prefix`. */
export const gated = (
  prefix: string,
  input: string,
  output: string,
  { gate, up, down, activation }: GatedWeights,
  arithmetic: Arithmetic,
): Part => {
  const name = (part: string): string => `${prefix}${part}`;
  return join([
    linear(name("gate"), input, name("gated"), gate, arithmetic),
    linear(name("up"), input, name("raised"), up, arithmetic),
    ACTIVATIONS[activation](name("gated"), name("raised"), name("activated")),
    linear(name("down"), name("activated"), output, down, arithmetic),
  ]);
};

const ACTIVATIONS: Readonly<Record<Activation, (gate: string, up: string, output: string) => Part>> = {
  silu: (gate, up, output) => ({
    nodes: [...swish(gate, gate, `${gate}_swish`), product(`${gate}_swish`, up, output)],
    constants: [],
  }),
  gelu: (gate, up, output) => ({
    nodes: [node("Gelu", [gate], [`${gate}_gelu`], { approximate: "tanh" }), product(`${gate}_gelu`, up, output)],
    constants: [],
  }),
  "clamped-swiglu": (gate, up, output) => ({
    nodes: [
      node("Min", [gate, "swiglu_most"], [`${gate}_clamped`]),
      node("Clip", [up, "swiglu_least", "swiglu_most"], [`${up}_clamped`]),
      product(`${gate}_clamped`, "swiglu_slope", `${gate}_steep`),
      ...swish(`${gate}_clamped`, `${gate}_steep`, `${gate}_swish`),
      node("Add", [`${up}_clamped`, "swiglu_shift"], [`${up}_shifted`]),
      product(`${gate}_swish`, `${up}_shifted`, output),
    ],
    constants: [
      scalar("swiglu_most", 7),
      scalar("swiglu_least", -7),
      scalar("swiglu_slope", 1.702),
      scalar("swiglu_shift", 1),
    ],
  }),
};

/** `input * sigmoid(slope)` */
const swish = (input: string, slope: string, output: string): NodeProto[] => [
  node("Sigmoid", [slope], [`${output}_sigmoid`]),
  product(input, `${output}_sigmoid`, output),
];

const product = (left: string, right: string, output: string): NodeProto => node("Mul", [left, right], [output]);
