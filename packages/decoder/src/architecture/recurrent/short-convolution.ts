import type { RecurrentKind } from "./recurrent-kind.ts";

/** State: the gated inputs of the last tokens, `[width, size - 1]`. */
export const INPUTS = "inputs";

const CONVOLUTION = "shortconv.conv";

/** How gated short convolutions are read. */
export const shortConvolution: RecurrentKind = {
  name: "short convolution",
  tensor: CONVOLUTION,
  states: (keys, hiddenSize) => ({ [INPUTS]: [hiddenSize, keys.number("shortconv.l_cache") - 1] }),
  mixer: async (layer) => {
    const { hiddenSize, recurrentLayers } = layer.config;
    const past = recurrentLayers!.states[INPUTS]![1]!;
    return {
      kind: "short convolution",
      width: hiddenSize,
      norm: await layer.vector("attn_norm", hiddenSize),
      projection: await layer.linear("shortconv.in_proj", 3 * hiddenSize, hiddenSize),
      kernel: await layer.vector(CONVOLUTION, hiddenSize * (past + 1)),
      ...(layer.has(CONVOLUTION, "bias") && { bias: await layer.vector(CONVOLUTION, hiddenSize, "bias") }),
    };
  },
  output: async (layer) => {
    const { hiddenSize } = layer.config;
    return layer.linear("shortconv.out_proj", hiddenSize, hiddenSize);
  },
};
