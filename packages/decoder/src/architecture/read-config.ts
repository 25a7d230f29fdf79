import { describeValue } from "../gguf/describe-value.ts";
import type { DecoderConfig } from "./config.ts";
import { readExperts } from "./experts.ts";
import { type Architecture, ARCHITECTURES, FAMILIES } from "./families.ts";
import { readLayerInputSize } from "./layer-inputs.ts";
import { assertCount, readLayerSizes } from "./layer-sizes.ts";
import { type Metadata, text } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";
import { type ModelKeys, modelKeys } from "./model-keys.ts";
import { nearestArchitecture } from "./nearest-architecture.ts";
import { vocabularySize } from "./read-weights.ts";
import { readRecurrent } from "./recurrent/recurrent-layers.ts";
import { readCacheOf } from "./shared-caches.ts";
import { readSliding } from "./spans.ts";
import { assertLayerCount, assertReadableTensors, assertWhole } from "./supported-model.ts";
import type { ModelHeader } from "./weights.ts";

/** What a configuration depends on besides the file. */
export interface ConfigOptions {
  /**
   * Tokens that the caller means to run. Decides for models with two sets of RoPE factors (Phi-3): beyond the context
   * that they were first trained for, the set for long contexts; otherwise, and by default, the other set, with which the
   * model's context ends there and positions beyond it fail with `MODEL_ROPE_CONTEXT`.
   */
  readonly contextLength?: number;
}

/**
 * Reads a decoder's configuration from the header of a GGUF file: its metadata, checked against its tensors.
 *
 * @throws ModelError `MODEL_SPLIT`, `MODEL_UNKNOWN_ARCHITECTURE`, `MODEL_EXPERTS_UNSUPPORTED`, `MODEL_METADATA_MISSING`,
 * `MODEL_METADATA_INVALID`, `MODEL_ROPE_UNSUPPORTED`, `MODEL_LAYER_COUNT`, `MODEL_TENSOR_MISSING`
 * @throws GgufError `GGUF_UNKNOWN_TENSOR_TYPE`
 */
export const readConfig = (
  { metadata, tensors }: ModelHeader,
  { contextLength }: ConfigOptions = {},
): DecoderConfig => {
  assertWhole(metadata);
  const architecture = readArchitecture(metadata);
  assertReadableTensors(tensors);
  const config = readMetadata({ metadata, tensors }, architecture, contextLength);
  assertLayerCount(config, tensors);
  vocabularySize({ tensors });
  return config;
};

/**
 * The configuration that the metadata gives. Of tensors only the names are read, where they tell layers apart.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`, `MODEL_ROPE_UNSUPPORTED`
 */
export const readMetadata = (
  { metadata, tensors }: ModelHeader,
  architecture: Architecture,
  intendedContext?: number,
  keys: ModelKeys = modelKeys(metadata, architecture),
): DecoderConfig => {
  const family = FAMILIES[architecture];
  const experts = readExperts(keys, family);
  const draftLayers = readDraftLayers(keys);
  const layers = keys.number("block_count") - draftLayers;
  const hiddenSize = keys.number("embedding_length");
  for (const [name, count] of Object.entries({ layers, hiddenSize })) assertCount(name, count);
  const logitCap = keys.optionalNumber("final_logit_softcapping");
  const { slides, spans } = readSliding(keys, layers, family);
  const layerSizes = readLayerSizes(keys, family, { slides, draftLayers, hiddenSize, experts });
  const sizes = { layers, hiddenSize, ...layerSizes[0]!, slides, ...(intendedContext && { intendedContext }) };
  const layerInputSize = family.hasLayerInputs ? readLayerInputSize(keys) : undefined;
  const attentionScale = keys.optionalNumber("attention.scale") ?? family.attentionScale?.(sizes);
  const rope = family.rope(keys, sizes);
  const recurrentLayers = family.recurrent && readRecurrent(family.recurrent, keys, tensors, sizes);
  const temperature = family.temperature?.(keys);
  return {
    architecture,
    name: text(metadata, "general.name", architecture),
    layers,
    hiddenSize,
    ...layerSizes[0]!,
    layerSizes,
    ...(layerInputSize !== undefined && { layerInputSize }),
    ...(experts && { experts }),
    normEpsilon: keys.number("attention.layer_norm_rms_epsilon"),
    embeddingScale: family.embeddingScale?.(sizes, keys) ?? 1,
    residualScale: family.residualScale?.(keys) ?? 1,
    ...(logitCap !== undefined && { logitCap }),
    logitScale: family.logitScale?.(keys) ?? 1,
    ...(attentionScale !== undefined && { attentionScale }),
    rope,
    ...(temperature && { temperature }),
    spans,
    cacheOf: readCacheOf(keys, slides, family.recurrent !== undefined),
    draftLayers,
    ...(recurrentLayers && { recurrentLayers }),
    contextLength: rope.contextLength ?? keys.number("context_length"),
  };
};

/**
 * The architecture of a file.
 *
 * @throws ModelError `MODEL_UNKNOWN_ARCHITECTURE`
 */
export const readArchitecture = (metadata: Metadata): Architecture => {
  const name = metadata.get("general.architecture");
  const known = ARCHITECTURES.find((architecture) => architecture === name);
  if (known) return known;
  const nearest = nearestArchitecture(name);
  throw new ModelError(
    "MODEL_UNKNOWN_ARCHITECTURE",
    `expected general.architecture to be one of ${ARCHITECTURES.join(", ")}, got ${describeValue(name)}${nearest === undefined ? "" : `, most like ${nearest}`}; use a model of one of these`,
  );
};

/** Converters write 0 for none. */
const readDraftLayers = (keys: ModelKeys): number => {
  const key = "nextn_predict_layers";
  return Number(keys.value(key) ?? 0) === 0 ? 0 : keys.number(key);
};
