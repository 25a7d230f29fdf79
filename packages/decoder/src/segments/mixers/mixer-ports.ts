import type { DecoderConfig } from "../../architecture/config.ts";
import type { MixerWeights } from "../../architecture/recurrent/mixer-weights.ts";
import type { Port } from "../../onnx/graph.ts";

/** Output of a mixer, float32 `[batch * tokens, width]`. */
export const MIXED = "mixer_output";

/** Input with an array of the state before the first token, float32 `[batch, ...]`. */
export const pastOf = (state: string): string => `past_${state}`;

/** Output with an array of the state after the last token, float32 `[batch, ...]`. */
export const presentOf = (state: string): string => `present_${state}`;

/** Inputs of a segment with a mixer. */
export const mixerInputs = (config: DecoderConfig): Port[] => statePorts(config, pastOf);

/** Outputs of a segment with a mixer. */
export const mixerOutputs = (config: DecoderConfig, { width }: MixerWeights): Port[] => [
  { name: MIXED, dims: ["rows", width] },
  ...statePorts(config, presentOf),
];

const statePorts = ({ recurrentLayers }: DecoderConfig, nameOf: (state: string) => string): Port[] =>
  Object.entries(recurrentLayers?.states ?? {}).map(([state, dims]) => ({
    name: nameOf(state),
    dims: ["batch", ...dims],
  }));
