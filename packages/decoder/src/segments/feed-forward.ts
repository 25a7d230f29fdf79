import type { NodeProto } from "onnx-buf";
import type { DecoderConfig } from "../architecture/config.ts";
import type { Activation, FeedForwardWeights } from "../architecture/weights.ts";
import { node } from "../onnx/graph.ts";
import { type Arithmetic, join, linear, type Part, times } from "./linear.ts";
import { norm } from "./norm.ts";

/** From `attention` and the residuals `hidden` to the next ones, `residual`. */
export const feedForward = (config: DecoderConfig, weights: FeedForwardWeights, arithmetic: Arithmetic): Part => {
  const normed = weights.norm ? "normed" : "between";
  return join([
    linear("output", "attention", "projected", weights.output, arithmetic),
    addTo("hidden", "projected", "between", weights.outputNorm, config),
    ...(weights.norm ? [norm("feed_norm", "between", normed, weights.norm, config)] : []),
    linear("gate", normed, "gated", weights.gate, arithmetic),
    linear("up", normed, "raised", weights.up, arithmetic),
    { nodes: gate(weights.activation, "gated", "raised", "activated"), constants: [] },
    linear("down", "activated", "lowered", weights.down, arithmetic),
    addTo("between", "lowered", "residual", weights.loweredNorm, config),
  ]);
};

/** Adds `branch`, normed if there is a weight and scaled if the model does, to `stream`. */
const addTo = (
  stream: string,
  branch: string,
  output: string,
  weight: Float32Array | undefined,
  config: DecoderConfig,
): Part => {
  const normed = weight ? `${branch}_normed` : branch;
  const isScaled = config.residualScale !== 1;
  const added = isScaled ? `${branch}_scaled` : normed;
  return join([
    ...(weight ? [norm(`${branch}_norm`, branch, normed, weight, config)] : []),
    ...(isScaled ? [times("residual_scale", normed, added, config.residualScale)] : []),
    { nodes: [node("Add", [stream, added], [output])], constants: [] },
  ]);
};

/** `activation(gate) * up` */
const gate = (activation: Activation, input: string, up: string, output: string): NodeProto[] => [
  ...ACTIVATIONS[activation](input, `${input}_activated`),
  node("Mul", [`${input}_activated`, up], [output]),
];

const ACTIVATIONS: Readonly<Record<Activation, (input: string, output: string) => NodeProto[]>> = {
  silu: (input, output) => [
    node("Sigmoid", [input], [`${input}_sigmoid`]),
    node("Mul", [input, `${input}_sigmoid`], [output]),
  ],
  gelu: (input, output) => [node("Gelu", [input], [output], { approximate: "tanh" })],
};
