import type { DecoderConfig } from "../architecture/config.ts";
import type { BesideWeights, FeedForwardWeights } from "../architecture/weights.ts";
import { node } from "../onnx/graph.ts";
import { experts } from "./experts.ts";
import { gated } from "./gated.ts";
import { addLayerInput } from "./layer-inputs.ts";
import { type Arithmetic, chain, join, linear, type Part, times } from "./linear.ts";
import { norm } from "./norm.ts";

/** From `attention` and the residuals `hidden` to the next ones, `residual`. */
export const feedForward = (config: DecoderConfig, weights: FeedForwardWeights, arithmetic: Arithmetic): Part => {
  const { network, beside, gate, layerInput, outputScale } = weights;
  const normed = weights.norm ? "normed" : "between";
  return join([
    ...(gate ? [gatedAttention(config, gate, arithmetic)] : []),
    linear("output", gate ? "attention_gated" : "attention", "projected", weights.output, arithmetic),
    addTo("hidden", "projected", "between", weights.outputNorm, config),
    ...(weights.norm ? [norm("feed_norm", "between", normed, weights.norm, config)] : []),
    "each" in network
      ? experts(normed, "lowered", network, config, arithmetic)
      : gated("", normed, beside ? "network_lowered" : "lowered", network, arithmetic),
    ...(beside ? [addExperts(beside, config, arithmetic)] : []),
    chain("residual", [
      (output) => addTo("between", "lowered", output, weights.loweredNorm, config),
      layerInput && ((output, input) => addLayerInput(input, output, layerInput, config, arithmetic)),
      outputScale === undefined ? undefined : (output, input) => times("output_scale", input, output, outputScale),
    ]),
  ]);
};

/** `lowered`, from `network_lowered` and the residuals `between`. */
const addExperts = (weights: BesideWeights, config: DecoderConfig, arithmetic: Arithmetic): Part =>
  join([
    norm("network_norm", "network_lowered", "network_normed", weights.networkNorm, config),
    norm("router_norm", "between", "router_input", weights.routerNorm, config),
    norm("experts_norm", "between", "experts_input", weights.norm, config),
    experts("experts_input", "experts_lowered", weights.experts, config, arithmetic, "router_input"),
    norm("experts_output_norm", "experts_lowered", "experts_normed", weights.outputNorm, config),
    { nodes: [node("Add", ["network_normed", "experts_normed"], ["lowered"])], constants: [] },
  ]);

/** `attention_gated`, from `attention` and the residuals `hidden`, which the attention's layer started from. */
const gatedAttention = (
  config: DecoderConfig,
  { norm: weight, projection }: NonNullable<FeedForwardWeights["gate"]>,
  arithmetic: Arithmetic,
): Part =>
  join([
    norm("opening_norm", "hidden", "opening_input", weight, config),
    linear("opening", "opening_input", "opening_raw", projection, arithmetic),
    {
      nodes: [
        node("Sigmoid", ["opening_raw"], ["opening_share"]),
        node("Mul", ["attention", "opening_share"], ["attention_gated"]),
      ],
      constants: [],
    },
  ]);

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
