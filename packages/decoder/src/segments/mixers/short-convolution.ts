import type { DecoderConfig } from "../../architecture/config.ts";
import type { ShortConvolutionWeights } from "../../architecture/recurrent/mixer-weights.ts";
import { INPUTS } from "../../architecture/recurrent/short-convolution.ts";
import { node } from "../../onnx/graph.ts";
import { type Arithmetic, join, linear, type Part } from "../linear.ts";
import { norm } from "../norm.ts";
import { causalConvolution } from "./causal-convolution.ts";
import { MIXED } from "./mixer-ports.ts";
import { channels } from "./sequences.ts";

/** `after * convolution(before * raw)` of three projections of each token. */
export const shortConvolution = (
  config: DecoderConfig,
  { norm: weight, projection, kernel, bias, width }: ShortConvolutionWeights,
  input: string,
  arithmetic: Arithmetic,
): Part =>
  join([
    norm("mixer_norm", input, "mixer_input", weight, config),
    linear("mixer", "mixer_input", "mixer_parts", projection, arithmetic),
    channels("mixer_parts", { mixer_before: width, mixer_after: width, mixer_raw: width }),
    { nodes: [node("Mul", ["mixer_before", "mixer_raw"], ["mixer_gated"])], constants: [] },
    causalConvolution("mixer_gated", "mixer_convolved", {
      kernel,
      bias,
      channels: width,
      activation: "none",
      state: INPUTS,
    }),
    { nodes: [node("Mul", ["mixer_after", "mixer_convolved"], [MIXED])], constants: [] },
  ]);
