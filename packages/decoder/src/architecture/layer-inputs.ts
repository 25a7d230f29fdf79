import type { DecoderConfig } from "./config.ts";
import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";
import { assertLength, readLinear, readVector, vocabularySize } from "./read-weights.ts";
import type { LayerInputWeights, ModelHeader, WeightSource } from "./weights.ts";

/** The embedding of tokens for each layer, `[layers * size]` numbers per token. */
export const LAYER_EMBEDDING = "per_layer_token_embd.weight";

/** Whether only single rows of a tensor are read: of embeddings, unless they are the output matrix too. */
export const isReadByRows = (name: string, tensors: ModelHeader["tensors"]): boolean =>
  name === LAYER_EMBEDDING || (name === "token_embd.weight" && tensors.has("output.weight"));

/**
 * Reads `embedding_length_per_layer_input`; converters write 0 for none.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
 */
export const readLayerInputSize = (keys: ModelKeys): number | undefined =>
  Number(keys.value(SIZE) ?? -1) === 0 ? undefined : keys.number(SIZE);

const SIZE = "embedding_length_per_layer_input";

/**
 * Reads what the first segment computes the inputs of layers with; undefined for a model without them.
 *
 * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`, `MODEL_METADATA_INVALID` for tensors that the metadata denies
 */
export const readLayerInputs = async (
  source: WeightSource,
  { layers, hiddenSize, layerInputSize: size }: DecoderConfig,
): Promise<LayerInputWeights | undefined> => {
  if (size === undefined) {
    assertNoEmbedding(source);
    return undefined;
  }
  assertLength(source, LAYER_EMBEDDING, layers * size * vocabularySize(source));
  return {
    projection: await readLinear(source, "per_layer_model_proj", layers * size, hiddenSize),
    norm: await readVector(source, "per_layer_proj_norm.weight", size),
  };
};

const assertNoEmbedding = ({ tensors }: WeightSource): void => {
  if (!tensors.has(LAYER_EMBEDDING)) return;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected no tensor ${LAYER_EMBEDDING} in a model without ${SIZE} in its metadata, got one; convert the model again`,
  );
};
