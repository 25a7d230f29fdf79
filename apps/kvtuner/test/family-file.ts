import { tinyMetadata } from "../../../packages/decoder/src/gguf/test-support/tiny-model.ts";
import type { WritableValue } from "../../../packages/decoder/src/gguf/test-support/write-gguf.ts";
import { familyGguf, familyModel } from "../../../packages/decoder/src/test-support/family-model.ts";

const VOCABULARY = 260;

/** A family's fixture as a GGUF file, with a tokenizer for bytes and as many tokens as that has. */
export const familyFile = (name: string): Uint8Array => {
  const { metadata, tensors, ...rest } = familyModel(name);
  const sizes = { layers: 1, hiddenSize: 32, heads: 1, kvHeads: 1, feedForward: 32, vocabulary: VOCABULARY };
  const tokenizer = Object.entries(tinyMetadata({ architecture: "llama", ...sizes })).filter(
    (entry): entry is [string, WritableValue] => entry[0].startsWith("tokenizer."),
  );
  const wide = ["token_embd.weight", "output.weight"].flatMap((tensor) => {
    const own = tensors[tensor];
    return own ? [[tensor, { ...own, dims: [own.dims[0]!, VOCABULARY] }]] : [];
  });
  return familyGguf({
    ...rest,
    metadata: { ...metadata, ...Object.fromEntries(tokenizer) },
    tensors: { ...tensors, ...Object.fromEntries(wide) },
  });
};
