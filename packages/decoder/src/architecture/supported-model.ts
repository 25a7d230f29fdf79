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
