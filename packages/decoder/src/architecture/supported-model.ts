import { unsupportedType } from "../gguf/tensor-info.ts";
import type { DecoderConfig } from "./config.ts";
import type { Metadata } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";
import type { WeightSource } from "./weights.ts";

/**
 * Rejects a part of a split model, which may lack tensors and even the architecture.
 *
 * @throws ModelError `MODEL_SPLIT`
 */
export const assertWhole = (metadata: Metadata): void => {
  const count = Number(metadata.get("split.count") ?? 1);
  if (!(count > 1)) return;
  throw new ModelError(
    "MODEL_SPLIT",
    `expected a model in one file, got part ${Number(metadata.get("split.no") ?? 0) + 1} of ${count}; open all parts together, with openGgufParts or openGgufFile`,
  );
};

/**
 * Rejects a model with a tensor that cannot be dequantized.
 *
 * @throws GgufError `GGUF_UNKNOWN_TENSOR_TYPE`
 */
export const assertReadableTensors = (tensors: WeightSource["tensors"]): void => {
  for (const [name, { type, isSupported }] of tensors)
    if (isSupported === false) throw unsupportedType({ name, type: type ?? "an unknown type" });
};

const LAYER_TENSOR = /^blk\.(\d+)\./;

/**
 * Compares the metadata's number of layers with the layers whose tensors are in the file.
 *
 * @throws ModelError `MODEL_LAYER_COUNT`
 */
export const assertLayerCount = (
  { architecture, ...config }: Pick<DecoderConfig, "architecture" | "layers" | "draftLayers">,
  tensors: WeightSource["tensors"],
): void => {
  const layers = config.layers + config.draftLayers;
  const found = new Set([...tensors.keys()].flatMap((name) => LAYER_TENSOR.exec(name)?.[1] ?? []).map(Number));
  const last = Math.max(...found, -1);
  if (found.size === layers && last < layers) return;
  throw new ModelError(
    "MODEL_LAYER_COUNT",
    `expected tensors of the ${layers} layers in ${architecture}.block_count, got tensors of ${found.size}${found.size > 0 ? `, the last of them blk.${last}` : ""}; the file is damaged; download it again`,
  );
};

/**
 * ONNX Runtime accepts graphs below 2 GiB, the limit of Protocol Buffers. Leaves 1 MiB for everything but the matrices.
 */
const MAX_SEGMENT_BYTES = 2 ** 31 - 2 ** 20;
const FLOAT32_BYTES = 4;
const GIB = 2 ** 30;

/**
 * Rejects a model with a segment that is too large to load, before building any.
 *
 * @throws ModelError `MODEL_TOO_LARGE`
 */
export const assertSegmentSizes = (config: DecoderConfig): void => {
  for (const [segment, numbers] of segmentNumbers(config)) {
    const sizeBytes = numbers * FLOAT32_BYTES;
    if (sizeBytes > MAX_SEGMENT_BYTES)
      throw new ModelError(
        "MODEL_TOO_LARGE",
        `expected segments of less than 2 GiB in float32, got ${(sizeBytes / GIB).toFixed(2)} GiB for ${segment}; use a smaller model`,
      );
  }
};

/** Numbers in the matrices of each kind of segment. The head is not one: it is split into pieces that fit. */
const segmentNumbers = (config: DecoderConfig): [segment: string, numbers: number][] => {
  const { layerSizes, hiddenSize, layerInputSize = 0, experts } = config;
  const projections = layerSizes.map(
    ({ queryHeads, kvHeads, headSize }) => hiddenSize * (queryHeads + 2 * kvHeads) * headSize,
  );
  const feedForwards = layerSizes.map(
    // Experts are rarely kept in float32; they count when the segment is built.
    ({ queryHeads, headSize, feedForwardSize }) =>
      hiddenSize * (queryHeads * headSize + 3 * (experts ? 0 : feedForwardSize) + 2 * layerInputSize),
  );
  return [
    ["the projections of the first layer", projections[0]! + layerSizes.length * layerInputSize * hiddenSize],
    ["the feed-forward part of the last layer", feedForwards.at(-1)!],
    ...projections
      .slice(1)
      .map((projection, layer): [string, number] => [
        "a feed-forward part and the next layer's projections",
        feedForwards[layer]! + projection,
      ]),
  ];
};
