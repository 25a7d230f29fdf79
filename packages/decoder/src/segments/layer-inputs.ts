import type { DecoderConfig } from "../architecture/config.ts";
import type { FeedForwardWeights, LayerInputWeights } from "../architecture/weights.ts";
import { node, type Port } from "../onnx/graph.ts";
import { type Arithmetic, join, linear, type Part, times } from "./linear.ts";
import { groupNorm, norm } from "./norm.ts";

/** Embeddings of tokens for all layers, an input of the first segment. */
export const TOKEN_INPUTS = "token_inputs";

/** The input of a layer, an output of the first segment. */
export const layerInputName = (layer: number): string => `layer_input_${layer}`;

/** The input of the layer whose feed-forward part a segment holds. */
export const LAYER_INPUT = "layer_input";

/** Port of {@link TOKEN_INPUTS}. */
export const tokenInputsPort = ({ projection }: LayerInputWeights): Port => ({
  name: TOKEN_INPUTS,
  dims: ["rows", projection.rows],
});

/** Ports of all layers' inputs. */
export const layerInputPorts = ({ projection, norm: { length } }: LayerInputWeights): Port[] =>
  Array.from({ length: projection.rows / length }, (_, layer) => ({
    name: layerInputName(layer),
    dims: ["rows", length],
  }));

/** Inputs of all layers: the normed projection of the embedding `hidden`, plus {@link TOKEN_INPUTS}, by the root of two. */
export const layerInputs = (weights: LayerInputWeights, config: DecoderConfig, arithmetic: Arithmetic): Part => {
  const width = weights.projection.rows;
  const outputs = layerInputPorts(weights).map(({ name }) => name);
  return join([
    linear("layer_projection", "hidden", "layer_products", weights.projection, arithmetic),
    times("layer_product_scale", "layer_products", "layer_scaled", 1 / Math.sqrt(config.hiddenSize)),
    groupNorm("layer_projection_norm", "layer_scaled", "layer_normed", weights.norm, width, config),
    { nodes: [node("Add", ["layer_normed", TOKEN_INPUTS], ["layer_sums"])], constants: [] },
    times("layer_sum_scale", "layer_sums", "layer_all", Math.SQRT1_2),
    { nodes: [node("Split", ["layer_all"], outputs, { axis: 1, num_outputs: outputs.length })], constants: [] },
  ]);
};

/** `output = input + norm(projection(gelu(gate(input)) * layer_input))` */
export const addLayerInput = (
  input: string,
  output: string,
  weights: NonNullable<FeedForwardWeights["layerInput"]>,
  config: DecoderConfig,
  arithmetic: Arithmetic,
): Part =>
  join([
    linear("layer_gate", input, "layer_gated", weights.gate, arithmetic),
    {
      nodes: [
        node("Gelu", ["layer_gated"], ["layer_gate_gelu"], { approximate: "tanh" }),
        node("Mul", ["layer_gate_gelu", LAYER_INPUT], ["layer_mixed"]),
      ],
      constants: [],
    },
    linear("layer_output", "layer_mixed", "layer_raised", weights.projection, arithmetic),
    norm("layer_output_norm", "layer_raised", "layer_added", weights.norm, config),
    { nodes: [node("Add", [input, "layer_added"], [output])], constants: [] },
  ]);
