import { ModelError } from "../model-error.ts";
import type { ModelKeys } from "../model-keys.ts";
import type { RecurrentKind } from "./recurrent-kind.ts";

/** State: the inputs of the convolution for the last tokens, `[channels, size - 1]`. */
export const INPUTS = "inputs";

/** State: what values each head holds for keys, `[valueHeads, keySize, valueSize]`. */
export const MEMORY = "memory";

const CONVOLUTION = "ssm_conv1d";

/** How Gated DeltaNet is read. */
export const gatedDeltaNet: RecurrentKind = {
  name: "Gated DeltaNet",
  tensor: CONVOLUTION,
  states: (keys) => {
    const { keyHeads, valueHeads, keySize, valueSize } = headsOf(keys);
    return {
      [INPUTS]: [2 * keyHeads * keySize + valueHeads * valueSize, keys.number("ssm.conv_kernel") - 1],
      [MEMORY]: [valueHeads, keySize, valueSize],
    };
  },
  mixer: async (layer) => {
    const { hiddenSize, recurrentLayers } = layer.config;
    const { [INPUTS]: inputs, [MEMORY]: memory } = recurrentLayers!.states;
    const [channels, past] = inputs as readonly [number, number];
    const [valueHeads, keySize, valueSize] = memory as readonly [number, number, number];
    const width = valueHeads * valueSize;
    return {
      kind: "Gated DeltaNet",
      width,
      keyHeads: (channels - width) / (2 * keySize),
      valueHeads,
      keySize,
      norm: await layer.vector("attn_norm", hiddenSize),
      projection: await layer.linear("attn_qkv", channels, hiddenSize),
      kernel: await layer.vector(CONVOLUTION, channels * (past + 1)),
      rate: await layer.linear("ssm_beta", valueHeads, hiddenSize),
      decay: {
        ...(await layer.linear("ssm_alpha", valueHeads, hiddenSize)),
        bias: await layer.vector("ssm_dt", valueHeads, "bias"),
      },
      decayScale: await layer.vector("ssm_a", valueHeads, ""),
      headNorm: await layer.vector("ssm_norm", valueSize),
      gate: await layer.linear("attn_gate", width, hiddenSize),
    };
  },
  output: async (layer) => {
    const { hiddenSize, recurrentLayers } = layer.config;
    const [valueHeads = 0, , valueSize = 0] = recurrentLayers!.states[MEMORY]!;
    return layer.linear("ssm_out", hiddenSize, valueHeads * valueSize);
  },
};

/** Heads and their sizes. Files name them after those of state space models. */
interface Heads {
  readonly keyHeads: number;
  readonly valueHeads: number;
  readonly keySize: number;
  readonly valueSize: number;
}

const headsOf = (keys: ModelKeys): Heads => {
  const valueHeads = keys.number("ssm.time_step_rank");
  const heads = {
    keyHeads: keys.number("ssm.group_count"),
    valueHeads,
    keySize: keys.number("ssm.state_size"),
    valueSize: keys.number("ssm.inner_size") / valueHeads,
  };
  if (Object.values(heads).every(Number.isSafeInteger) && valueHeads % heads.keyHeads === 0) return heads;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected whole numbers, with ${keys.name("ssm.inner_size")} a multiple of ${keys.name("ssm.time_step_rank")}, and that of ${keys.name("ssm.group_count")}, got ${JSON.stringify(heads)}; convert the model again`,
  );
};
