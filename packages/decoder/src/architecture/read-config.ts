import { describeValue } from "../gguf/describe-value.ts";
import type { DecoderConfig } from "./config.ts";
import { type Architecture, FAMILIES } from "./families.ts";
import { type Metadata, positiveNumber, text } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";
import { vocabularySize } from "./read-weights.ts";
import { readLinearFactor } from "./rope-scaling.ts";
import {
  assertDense,
  assertLayerCount,
  assertReadableTensors,
  assertSegmentSizes,
  assertWhole,
} from "./supported-model.ts";
import type { ModelHeader } from "./weights.ts";

/**
 * Reads a decoder's configuration from the header of a GGUF file: its metadata, checked against its tensors.
 *
 * @throws ModelError `MODEL_SPLIT`, `MODEL_UNKNOWN_ARCHITECTURE`, `MODEL_EXPERTS_UNSUPPORTED`, `MODEL_METADATA_MISSING`,
 * `MODEL_METADATA_INVALID`, `MODEL_ROPE_UNSUPPORTED`, `MODEL_LAYER_COUNT`, `MODEL_TENSOR_MISSING`, `MODEL_TOO_LARGE`
 * @throws GgufError `GGUF_UNKNOWN_TENSOR_TYPE`
 */
export const readConfig = ({ metadata, tensors }: ModelHeader): DecoderConfig => {
  assertWhole(metadata);
  const architecture = readArchitecture(metadata);
  assertDense(metadata, architecture);
  assertReadableTensors(tensors);
  const config = readMetadata(metadata, architecture);
  assertLayerCount(config, tensors);
  assertSegmentSizes(config);
  vocabularySize({ tensors });
  return config;
};

const readMetadata = (metadata: Metadata, architecture: Architecture): DecoderConfig => {
  const field = (key: string, fallback?: number): number =>
    positiveNumber(metadata, `${architecture}.${key}`, fallback);
  const hiddenSize = field("embedding_length");
  const queryHeads = field("attention.head_count");
  const headSize = field("attention.key_length", hiddenSize / queryHeads);
  const config: DecoderConfig = {
    architecture,
    name: text(metadata, "general.name", architecture),
    layers: field("block_count"),
    hiddenSize,
    feedForwardSize: field("feed_forward_length"),
    queryHeads,
    kvHeads: field("attention.head_count_kv", queryHeads),
    headSize,
    normEpsilon: field("attention.layer_norm_rms_epsilon"),
    ropeBase: field("rope.freq_base", 10_000),
    ropeLinearFactor: readLinearFactor(metadata, architecture),
    ropeDimensions: field("rope.dimension_count", headSize),
    contextLength: field("context_length"),
  };
  return validated(config);
};

const readArchitecture = (metadata: Metadata): Architecture => {
  const name = metadata.get("general.architecture");
  const names = Object.keys(FAMILIES) as Architecture[];
  const known = names.find((architecture) => architecture === name);
  if (known) return known;
  throw new ModelError(
    "MODEL_UNKNOWN_ARCHITECTURE",
    `expected general.architecture to be one of ${names.join(", ")}, got ${describeValue(name)}; use a model of one of these`,
  );
};

const COUNTS = [
  "layers",
  "hiddenSize",
  "feedForwardSize",
  "queryHeads",
  "kvHeads",
  "headSize",
  "ropeDimensions",
] as const;

const validated = (config: DecoderConfig): DecoderConfig => {
  for (const key of COUNTS)
    if (!Number.isSafeInteger(config[key]) || config[key] > 2 ** 24)
      throw new ModelError(
        "MODEL_METADATA_INVALID",
        `expected ${key} to be a whole number up to 2^24, got ${config[key]}`,
      );
  if (config.queryHeads % config.kvHeads !== 0)
    throw new ModelError(
      "MODEL_METADATA_INVALID",
      `expected the query heads to be a multiple of the KV heads, got ${config.queryHeads} and ${config.kvHeads}`,
    );
  if (config.ropeDimensions > config.headSize || config.ropeDimensions % 2 !== 0)
    throw new ModelError(
      "MODEL_METADATA_INVALID",
      `expected an even rope.dimension_count up to the head size ${config.headSize}, got ${config.ropeDimensions}`,
    );
  return config;
};
