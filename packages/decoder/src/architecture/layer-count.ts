import type { DecoderConfig } from "./config.ts";
import { ModelError } from "./model-error.ts";
import type { WeightSource } from "./weights.ts";

/** Every layer has one, whatever its architecture. */
const LAYER_TENSOR = /^blk\.(\d+)\.attn_norm\.weight$/;

/**
 * Holds the metadata's number of layers against the layers whose tensors are in the file.
 *
 * @throws ModelError `MODEL_LAYER_COUNT`
 */
export const assertLayerCount = (
  { architecture, layers }: Pick<DecoderConfig, "architecture" | "layers">,
  tensors: WeightSource["tensors"],
): void => {
  const found = [...tensors.keys()].flatMap((name) => LAYER_TENSOR.exec(name)?.[1] ?? []).map(Number);
  if (found.length === layers && found.every((layer) => layer < layers)) return;
  throw new ModelError(
    "MODEL_LAYER_COUNT",
    `expected tensors of the ${layers} layers that ${architecture}.block_count says, found those of ${found.length}${found.length > 0 ? `, the last of them blk.${found.reduce((last, layer) => Math.max(last, layer))}` : ""}; the file is damaged; download it again`,
  );
};
