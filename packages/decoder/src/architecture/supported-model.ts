import { unsupportedType } from "../gguf/tensor-info.ts";
import type { Metadata } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";
import type { WeightSource } from "./weights.ts";

/**
 * Refuses a part of a split model, which has neither all tensors nor, maybe, an architecture.
 *
 * @throws ModelError `MODEL_SPLIT`
 */
export const assertWhole = (metadata: Metadata): void => {
  const count = Number(metadata.get("split.count") ?? 1);
  if (!(count > 1)) return;
  throw new ModelError(
    "MODEL_SPLIT",
    `expected a model in one file, got part ${Number(metadata.get("split.no") ?? 0) + 1} of ${count}; merge the parts with llama.cpp: llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf`,
  );
};

/**
 * Refuses a mixture of experts.
 *
 * @throws ModelError `MODEL_EXPERTS_UNSUPPORTED`
 */
export const assertDense = (metadata: Metadata, architecture: string): void => {
  const experts = Number(metadata.get(`${architecture}.expert_count`) ?? 0);
  if (!(experts > 0)) return;
  throw new ModelError(
    "MODEL_EXPERTS_UNSUPPORTED",
    `expected a dense model, got a mixture of ${experts} experts (${architecture}.expert_count), which is not supported; use a dense model`,
  );
};

/**
 * Refuses a model with a tensor that cannot be dequantized.
 *
 * @throws GgufError `GGUF_UNKNOWN_TENSOR_TYPE`
 */
export const assertReadableTensors = (tensors: WeightSource["tensors"]): void => {
  for (const [name, { type, isSupported }] of tensors)
    if (isSupported === false) throw unsupportedType({ name, type: type ?? "an unknown type" });
};
