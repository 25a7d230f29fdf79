import type { ExpertSizes } from "../config.ts";
import type { LayerReader } from "../layer-reader.ts";
import { ModelError } from "../model-error.ts";
import { commonRope, readDimensions, slidingRope } from "../rope-scaling.ts";
import type { BesideWeights, FeedForwardWeights } from "../weights.ts";
import type { Family } from "./family.ts";
import { expertNetworks, gatedFeedForward, headNorms, normsAfter, separateProjection } from "./pieces.ts";

/** RoPE table of the layers that do not slide. */
const FULL_TABLE = 0;

/**
 * Gemma 4, its text part. Layers that slide have heads of another size and a RoPE of their own; the others rotate a part of
 * each head, by factors that the file has. Keys and values of each head are normed; scores are not scaled.
 */
export const gemma4: Family = {
  needsSlidingPattern: true,
  mayHaveExperts: true,
  mayDifferInHeadSize: true,
  hasLayerInputs: true,
  rope: (keys, sizes) => {
    const headSize = keys.number("attention.key_length");
    const common = commonRope(keys, { ...sizes, headSize }, { ownKeys: ["dimension_count_swa"] });
    return slidingRope(
      { ...common, tables: common.tables.map((table) => ({ ...table, needsFactors: true })) },
      sizes,
      keys.number("rope.freq_base_swa"),
      readDimensions(keys, "rope.dimension_count_swa", keys.number("attention.key_length_swa", headSize)),
    );
  },
  embeddingScale: ({ hiddenSize }) => Math.sqrt(hiddenSize),
  attentionScale: () => 1,
  projection: async (layer) => ({
    ...(await separateProjection(layer, { ropeRows: "halves", isKeyValue: isKeyValue(layer) })),
    ...(await headNorms(layer)),
    ...(layer.hasCache && { valueNorm: new Float32Array(layer.sizes.headSize).fill(1) }),
  }),
  feedForward: async (layer) => ({
    ...(await gatedFeedForward(layer, "gelu", { isDense: true })),
    ...(await expertsOf(layer)),
    ...(await normsAfter(layer)),
    ...(await layerEnd(layer)),
  }),
};

/** Layers that do not slide may have no matrix for values, which are then the keys before norm and RoPE. */
const isKeyValue = ({ config, layer, has }: LayerReader): boolean =>
  config.rope.tableOf[layer] === FULL_TABLE && !has("attn_v");

const expertsOf = async (layer: LayerReader): Promise<Pick<FeedForwardWeights, "beside">> => {
  const { experts } = layer.config;
  if (experts) return { beside: await expertsBeside(layer, experts) };
  if (!layer.has("ffn_gate_inp")) return {};
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected no tensor blk.${layer.layer}.ffn_gate_inp.weight in a model without gemma4.expert_count, got one; convert the model again`,
  );
};

/** The router reads the normed residuals times a vector, by the root of their size. */
const expertsBeside = async (layer: LayerReader, sizes: ExpertSizes): Promise<BesideWeights> => {
  const { hiddenSize } = layer.config;
  const routerScale = await layer.vector("ffn_gate_inp", hiddenSize, "scale");
  return {
    networkNorm: await layer.vector("post_ffw_norm_1", hiddenSize),
    routerNorm: routerScale.map((scale) => scale / Math.sqrt(hiddenSize)),
    norm: await layer.vector("pre_ffw_norm_2", hiddenSize),
    experts: {
      ...(await expertNetworks(layer, sizes, "gelu")),
      softmaxOf: "chosen",
      ...(layer.has("ffn_down_exps", "scale") && { scales: await layer.vector("ffn_down_exps", sizes.count, "scale") }),
    },
    outputNorm: await layer.vector("post_ffw_norm_2", hiddenSize),
  };
};

const layerEnd = async (layer: LayerReader): Promise<Pick<FeedForwardWeights, "layerInput" | "outputScale">> => {
  const { hiddenSize, layerInputSize: size } = layer.config;
  const [outputScale] = layer.has("layer_output_scale") ? await layer.vector("layer_output_scale", 1) : [];
  return {
    ...(size !== undefined && {
      layerInput: {
        gate: await layer.linear("inp_gate", size, hiddenSize),
        projection: await layer.linear("proj", hiddenSize, size),
        norm: await layer.vector("post_norm", hiddenSize),
      },
    }),
    ...(outputScale !== undefined && { outputScale }),
  };
};
