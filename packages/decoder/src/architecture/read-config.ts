import { defaultScale } from "@kvtuner/plan";
import { describeValue } from "../gguf/describe-value.ts";
import type { DecoderConfig } from "./config.ts";
import { readExperts } from "./experts.ts";
import { type Architecture, ARCHITECTURES, FAMILIES } from "./families.ts";
import { type Metadata, text } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";
import { type ModelKeys, modelKeys } from "./model-keys.ts";
import { nearestArchitecture } from "./nearest-architecture.ts";
import { vocabularySize } from "./read-weights.ts";
import { readKvHeads, readRecurrent } from "./recurrent/recurrent-layers.ts";
import { readCacheOf } from "./shared-caches.ts";
import { readSliding } from "./spans.ts";
import { assertLayerCount, assertReadableTensors, assertSegmentSizes, assertWhole } from "./supported-model.ts";
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
 * `MODEL_METADATA_INVALID`, `MODEL_ROPE_UNSUPPORTED`, `MODEL_LAYER_COUNT`, `MODEL_TENSOR_MISSING`, `MODEL_TOO_LARGE`
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
  assertSegmentSizes(config);
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
  const queryHeads = keys.number("attention.head_count");
  const headSize = keys.number("attention.key_length", hiddenSize / queryHeads);
  const logitCap = keys.optionalNumber("final_logit_softcapping");
  const counts = validated({
    layers,
    hiddenSize,
    feedForwardSize: keys.number("feed_forward_length"),
    queryHeads,
    kvHeads: readKvHeads(keys, queryHeads),
    headSize,
  });
  const { slides, spans } = readSliding(keys, layers, family.slidingPeriod);
  const sizes = { layers, hiddenSize, queryHeads, headSize, slides, ...(intendedContext && { intendedContext }) };
  const rope = family.rope(keys, sizes);
  const recurrentLayers = family.recurrent && readRecurrent(family.recurrent, keys, tensors, sizes);
  const temperature = family.temperature?.(keys);
  return {
    architecture,
    name: text(metadata, "general.name", architecture),
    ...counts,
    ...(experts && { experts }),
    normEpsilon: keys.number("attention.layer_norm_rms_epsilon"),
    embeddingScale: family.embeddingScale?.(sizes, keys) ?? 1,
    residualScale: family.residualScale?.(keys) ?? 1,
    ...(logitCap !== undefined && { logitCap }),
    logitScale: family.logitScale?.(keys) ?? 1,
    attentionScale: keys.optionalNumber("attention.scale") ?? family.attentionScale?.(sizes) ?? defaultScale(headSize),
    rope,
    ...(temperature && { temperature }),
    spans,
    cacheOf: readCacheOf(keys, slides),
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

/** Sizes of tensors, from the metadata. */
type Counts = Pick<DecoderConfig, "layers" | "hiddenSize" | "feedForwardSize" | "queryHeads" | "kvHeads" | "headSize">;

const validated = (counts: Counts): Counts => {
  for (const [name, count] of Object.entries(counts))
    if (!Number.isSafeInteger(count) || count > 2 ** 24)
      throw new ModelError(
        "MODEL_METADATA_INVALID",
        `expected ${name} to be a whole number up to 2^24, got ${count}; convert the model again`,
      );
  if (counts.queryHeads % counts.kvHeads === 0) return counts;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected the query heads to be a multiple of the KV heads, got ${counts.queryHeads} and ${counts.kvHeads}; convert the model again`,
  );
};
