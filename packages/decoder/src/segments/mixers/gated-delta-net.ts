import type { DecoderConfig } from "../../architecture/config.ts";
import { INPUTS, MEMORY } from "../../architecture/recurrent/gated-delta-net.ts";
import type { GatedDeltaNetWeights } from "../../architecture/recurrent/mixer-weights.ts";
import { node } from "../../onnx/graph.ts";
import { type Arithmetic, join, linear, type Part } from "../linear.ts";
import { groupNorm, norm } from "../norm.ts";
import { causalConvolution } from "./causal-convolution.ts";
import { MIXED, pastOf, presentOf } from "./mixer-ports.ts";
import { channels, rows, sequences } from "./sequences.ts";

/**
 * Gated DeltaNet. For each token, a head's memory is multiplied by its decay; then the value that it holds for the key moves
 * towards the token's value by its rate; then the query reads it. What is read is normed and gated.
 */
export const gatedDeltaNet = (
  config: DecoderConfig,
  weights: GatedDeltaNetWeights,
  input: string,
  arithmetic: Arithmetic,
): Part => {
  const { width, keyHeads, keySize, projection, kernel } = weights;
  const keyWidth = keyHeads * keySize;
  return join([
    norm("mixer_norm", input, "mixer_input", weights.norm, config),
    linear("mixer", "mixer_input", "mixer_raw", projection, arithmetic),
    causalConvolution("mixer_raw", "mixer_parts", {
      kernel,
      channels: projection.rows,
      activation: "silu",
      state: INPUTS,
    }),
    channels("mixer_parts", { mixer_query: keyWidth, mixer_key: keyWidth, mixer_value: width }),
    unitHeads("mixer_query", weights),
    unitHeads("mixer_key", weights),
    rates(weights, arithmetic),
    memory(weights),
    groupNorm("mixer_head_norm", "mixer_read", "mixer_normed", weights.headNorm, width, config),
    linear("mixer_gate", "mixer_input", "mixer_gate_raw", weights.gate, arithmetic),
    {
      nodes: [
        node("Sigmoid", ["mixer_gate_raw"], ["mixer_gate_share"]),
        node("Mul", ["mixer_gate_raw", "mixer_gate_share"], ["mixer_gate"]),
        node("Mul", ["mixer_normed", "mixer_gate"], [MIXED]),
      ],
      constants: [],
    },
  ]);
};

/** Added to the squared length of a query or key. */
const LENGTH_EPSILON = 1e-6;

/** Heads of length 1, repeated in turn until there is one for each value head, which is the order in GGUF. */
const unitHeads = (name: string, { keyHeads, valueHeads, keySize }: GatedDeltaNetWeights): Part => {
  const weight = new Float32Array(keySize).fill(1 / Math.sqrt(keySize));
  const repeats = Array.from({ length: valueHeads / keyHeads }, () => `${name}_unit`);
  return join([
    groupNorm(`${name}_norm`, name, `${name}_unit`, weight, keyHeads * keySize, {
      normEpsilon: LENGTH_EPSILON / keySize,
    }),
    { nodes: [node("Concat", repeats, [`${name}_heads`], { axis: -1 })], constants: [] },
  ]);
};

/** `mixer_rate` from 0 to 1, and the logarithm of the decay, `mixer_decay`, of each value head. */
const rates = ({ rate, decay, decayScale }: GatedDeltaNetWeights, arithmetic: Arithmetic): Part =>
  join([
    linear("mixer_beta", "mixer_input", "mixer_rate_raw", rate, arithmetic),
    linear("mixer_alpha", "mixer_input", "mixer_decay_raw", decay, arithmetic),
    {
      nodes: [
        node("Sigmoid", ["mixer_rate_raw"], ["mixer_rate"]),
        node("Softplus", ["mixer_decay_raw"], ["mixer_decay_soft"]),
        node("Mul", ["mixer_decay_soft", "mixer_decay_scale"], ["mixer_decay"]),
      ],
      constants: [{ name: "mixer_decay_scale", dims: [decayScale.length], data: decayScale }],
    },
  ]);

const memory = ({ width, valueHeads, keySize }: GatedDeltaNetWeights): Part => {
  const inputs = [
    ["mixer_query_heads", valueHeads * keySize],
    ["mixer_key_heads", valueHeads * keySize],
    ["mixer_value", width],
    ["mixer_decay", valueHeads],
    ["mixer_rate", valueHeads],
  ] as const;
  const [query, key, value, decay, rate] = inputs.map(([name]) => `${name}_sequence`) as [
    string,
    string,
    string,
    string,
    string,
  ];
  return join([
    ...inputs.map(([name, size]) => sequences(name, `${name}_sequence`, size, pastOf(MEMORY))),
    {
      nodes: [
        node(
          "LinearAttention",
          [query, key, value, pastOf(MEMORY), decay, rate],
          ["mixer_read_sequence", presentOf(MEMORY)],
          { q_num_heads: valueHeads, kv_num_heads: valueHeads, update_rule: "gated_delta" },
          "com.microsoft",
        ),
      ],
      constants: [],
    },
    rows("mixer_read_sequence", "mixer_read", width),
  ]);
};
