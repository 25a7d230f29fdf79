import type { DecoderConfig } from "../../architecture/config.ts";
import type { MixerWeights } from "../../architecture/recurrent/mixer-weights.ts";
import type { Arithmetic, Part } from "../linear.ts";
import { gatedDeltaNet } from "./gated-delta-net.ts";
import { shortConvolution } from "./short-convolution.ts";

/**
 * Part of a segment of a recurrent layer, in place of a projection: from the residuals `input`, float32 `[batch * tokens,
 * hiddenSize]`, and the state before to `mixer_output` and the state after, as in `mixer-ports.ts`.
 */
export const mixer = (config: DecoderConfig, weights: MixerWeights, input: string, arithmetic: Arithmetic): Part => {
  switch (weights.kind) {
    case "short convolution":
      return shortConvolution(config, weights, input, arithmetic);
    case "Gated DeltaNet":
      return gatedDeltaNet(config, weights, input, arithmetic);
  }
};
